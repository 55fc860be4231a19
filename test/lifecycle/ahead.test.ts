/** Builds that are prepared before anybody asks to deploy them. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { ControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';

/** An endpoint `a` that serves "one", on processes that prepare ahead; what they were told so far is forgotten. */
async function serving(): Promise<ControlPlane> {
  const plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.hasThreadsToSpare = true;
  plane.dataPlane.calls.length = 0;
  return plane;
}

const told = async (plane: ControlPlane, ...calls: readonly string[]): Promise<void> => {
  await eventually(`told ${calls.join(', ')}`, () => plane.dataPlane.calls.length >= calls.length);
  assert.deepEqual(plane.dataPlane.calls, calls);
  plane.dataPlane.calls.length = 0;
};

test('a new build of what serves is prepared ahead, and its deploy loads nothing', async () => {
  await using plane = await serving();
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  await told(plane, 'prepare ahead a 2');
  assert.deepEqual(plane.generations('a'), ['serving'], 'it is no generation yet');
  const { generation } = await plane.lifecycle.deploy('a');
  assert.equal(generation, 2);
  await told(plane, 'commit a 2', 'prepare ahead a 3');
  assert.equal(plane.served('a'), 'two');
});

test('what was prepared and has given way is prepared again', async () => {
  await using plane = await serving();
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  await told(plane, 'prepare ahead a 2');
  plane.dataPlane.preparedAhead = null;
  await plane.lifecycle.deploy('a');
  await told(plane, 'prepare a 2', 'commit a 2', 'prepare ahead a 3');
  assert.equal(plane.served('a'), 'two');
});

test('what a rollback goes back to is prepared ahead after a deploy, and again after the rollback', async () => {
  await using plane = await serving();
  await plane.deploy('a', 'two');
  await told(plane, 'prepare ahead a 2', 'commit a 2', 'prepare ahead a 3');
  await plane.lifecycle.rollback('a');
  await told(plane, 'commit a 3', 'prepare ahead a 4');
  assert.equal(plane.served('a'), 'one');
  await plane.lifecycle.rollback('a');
  await told(plane, 'commit a 4', 'prepare ahead a 5');
  assert.equal(plane.served('a'), 'two');
});

test('what followed the build the last time it served is prepared ahead', async () => {
  await using plane = await serving();
  await plane.deploy('a', 'two');
  await plane.deploy('a', 'three');
  await plane.lifecycle.rollback('a', 1);
  await eventually('two is prepared', () => plane.dataPlane.calls.at(-1) === 'prepare ahead a 5');
  plane.dataPlane.calls.length = 0;
  await plane.lifecycle.rollback('a', 2);
  await told(plane, 'commit a 5', 'prepare ahead a 6');
  assert.equal(plane.served('a'), 'two');
  await plane.lifecycle.rollback('a', 3);
  await told(plane, 'commit a 6', 'prepare ahead a 7');
  assert.equal(plane.served('a'), 'three');
});

test('another build than the one prepared is loaded as ever, under the number that was set aside', async () => {
  await using plane = await serving();
  await plane.deploy('a', 'two');
  await plane.lifecycle.change('a', { code: 'three' });
  await plane.lifecycle.compile('a');
  await eventually('three is prepared', () => plane.dataPlane.calls.at(-1) === 'prepare ahead a 3');
  plane.dataPlane.calls.length = 0;
  await plane.lifecycle.rollback('a');
  await told(plane, 'abandon a 3', 'prepare a 3', 'commit a 3', 'prepare ahead a 4');
  assert.equal(plane.served('a'), 'one');
});

test('a deploy of another build waits for no guess', async () => {
  await using plane = await serving();
  plane.dataPlane.hasThreadsToSpare = false;
  await plane.deploy('a', 'two');
  plane.dataPlane.hasThreadsToSpare = true;
  plane.dataPlane.calls.length = 0;
  const gate = Promise.withResolvers<void>();
  plane.dataPlane.beforePrepare = async (_endpoint, ahead) => (ahead ? gate.promise : undefined);
  await plane.lifecycle.change('a', { code: 'three' });
  await plane.lifecycle.compile('a');
  await plane.lifecycle.rollback('a');
  await told(plane, 'prepare ahead a 3', 'abandon a 3', 'prepare a 3', 'commit a 3', 'prepare ahead a 4');
  assert.equal(plane.served('a'), 'one');
  gate.resolve();
});

test('a guess that fails is nobody’s error', async () => {
  await using plane = await serving();
  plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'symbol_missing', message: 'no handler_entry' }];
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  await told(plane, 'prepare ahead a 2', 'abandon a 2');
  assert.equal(plane.state('a'), 'loaded');
  assert.deepEqual([plane.store.endpoint('a')?.buildError, plane.store.endpoint('a')?.servingError], [null, null]);
  await plane.lifecycle.deploy('a');
  assert.equal(plane.served('a'), 'two');
});

test('nothing is prepared for what does not serve, nor the build that serves', async () => {
  await using plane = await serving();
  await plane.lifecycle.compile('a');
  await plane.create('b', { path: '/b' });
  await plane.lifecycle.compile('b');
  await plane.lifecycle.undeploy('a');
  await plane.lifecycle.compile('a');
  await told(plane, 'commit b none', 'commit a none');
});

test('only a few are kept at once, the latest ones', async () => {
  await using plane = await serving();
  const ids = Array.from({ length: LIMITS.preparedAheadMax + 1 }, (_, index) => `e${index}`);
  plane.dataPlane.hasThreadsToSpare = false;
  for (const id of ids) {
    await plane.create(id, { path: `/${id}` });
    await plane.deploy(id, 'one');
    await plane.lifecycle.change(id, { code: 'two' });
  }
  plane.dataPlane.hasThreadsToSpare = true;
  plane.dataPlane.calls.length = 0;
  for (const id of ids) await plane.lifecycle.compile(id);
  const prepared = ids.map(id => `prepare ahead ${id} 2`);
  await told(plane, ...prepared.slice(0, -1), 'abandon e0 2', prepared.at(-1) ?? '');
});

test('an undeploy and a deletion let go of it', async () => {
  await using plane = await serving();
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  await told(plane, 'prepare ahead a 2');
  await plane.lifecycle.undeploy('a');
  await told(plane, 'abandon a 2', 'commit a none');
  await plane.lifecycle.deploy('a');
  await plane.lifecycle.change('a', { code: 'three' });
  await plane.lifecycle.compile('a');
  await eventually('three is prepared', () => plane.dataPlane.calls.at(-1) === 'prepare ahead a 3');
  plane.dataPlane.calls.length = 0;
  await plane.lifecycle.remove('a');
  await told(plane, 'abandon a 3', 'commit a none', 'commit a deleted');
});
