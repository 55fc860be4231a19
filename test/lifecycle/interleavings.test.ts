/**
 * Deploys, undeploys, rollbacks, deletes, requests and deaths of processes, in any order and with any delays, against a
 * naive model. `INTERLEAVINGS=10000` is a long run; a failure prints its seed and its path, `SEED` and `SEED_PATH` repeat it.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { steps } from './interleaving/steps.ts';
import { ENDPOINTS, World } from './interleaving/world.ts';

const RUNS = Number(process.env['INTERLEAVINGS'] ?? 200);
const STEPS_MAX = 80;
const { SEED, SEED_PATH } = process.env;

/** An endpoint's calls end although others' builds, binds and requests never do. */
async function assertNobodyWaitsForOthers(world: World): Promise<void> {
  for (const id of ENDPOINTS) {
    await world.quiesce([id]);
    // Without a process that serves, everybody waits for one, and a process that starts binds everything first.
    if (!world.fleet.processes.some(({ state }) => state === 'serving')) return;
    assert.ok(!world.pending.includes(id), `a call of ${id} waits for something of another endpoint`);
  }
}

/** Everything is over: each endpoint is in the state that follows from its calls, and serves what it should. */
function assertAtRest(world: World): void {
  const { plane, fleet } = world;
  for (const id of ENDPOINTS) {
    const model = world.model(id);
    const { exists, serving, isBuilt } = model;
    const state = serving !== null ? 'loaded' : isBuilt ? 'compiled' : 'created';
    assert.equal(plane.state(id), exists ? state : undefined, `the state of ${id}`);
    assert.equal(plane.store.endpoint(id)?.generation ?? null, serving?.generation ?? null, `the generation of ${id}`);
    const generations = plane.generations(id).map(text => text.replace(/ .*/, ''));
    assert.deepEqual(generations, exists ? model.generationStates : [], `the generations of ${id}`);
    // What is likely to be deployed next may be prepared ahead.
    const next = serving === null ? null : plane.store.nextGeneration(id);
    for (const { deployment, factory } of fleet.processes) {
      const endpoint = [...deployment.endpoints].find(one => one.id === id);
      assert.equal(endpoint?.serving?.number ?? null, serving?.generation ?? null, `what a process serves of ${id}`);
      assert.equal(endpoint?.draining.size ?? 0, 0, `a generation of ${id} drains for ever`);
      const prepared = [...(endpoint?.prepared.keys() ?? [])].filter(generation => generation !== next);
      assert.deepEqual(prepared, [], `generations of ${id} that are prepared for ever`);
      const mapped = factory.pools.filter(({ images, spec }) => images > 0 && spec.endpoint === id);
      const others = mapped.filter(({ spec }) => spec.generation !== serving?.generation && spec.generation !== next);
      assert.deepEqual(
        others.map(({ spec }) => spec.generation),
        [],
        `images of ${id} that are left`,
      );
    }
  }
}

async function assertNothingIsLeft(world: World): Promise<void> {
  for (const id of ENDPOINTS) {
    if (world.model(id).exists) await world.step(() => world.remove(id));
  }
  await world.quiesce(ENDPOINTS);
  assert.deepEqual(world.violations, []);
  assert.deepEqual(world.pending, []);
  assert.deepEqual(world.plane.store.endpoints(), []);
  for (const { deployment, factory } of world.fleet.processes) {
    assert.deepEqual([...deployment.endpoints], []);
    assert.ok(
      factory.pools.every(({ images, retired }) => images === 0 && retired),
      'an image is left',
    );
  }
}

test(`${RUNS} random interleavings end as the naive model says`, async () => {
  await fc.assert(
    fc.asyncProperty(steps(STEPS_MAX), async commands => {
      await using world = await World.open();
      await fc.asyncModelRun(() => ({ model: {}, real: world }), commands);
      await assertNobodyWaitsForOthers(world);
      await world.quiesce(ENDPOINTS);
      assert.deepEqual(world.pending, []);
      assert.deepEqual(world.violations, []);
      assert.deepEqual(world.judgeRequests(), []);
      assertAtRest(world);
      await assertNothingIsLeft(world);
    }),
    {
      numRuns: RUNS,
      ...(SEED === undefined ? {} : { seed: Number(SEED) }),
      ...(SEED_PATH === undefined ? {} : { path: SEED_PATH }),
    },
  );
});
