import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { AdminError } from '../../src/errors.ts';
import { Bakes } from '../../src/lifecycle/bakes.ts';
import type { LastError } from '../../src/store/records.ts';
import { ControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';

describe('a generation that bakes', () => {
  const bake = { generation: 7, before: 6, bakeMs: 100 };

  test('is what the one before is gone back to for, until its time is over', () => {
    const bakes = new Bakes();
    bakes.begin('a', bake, 1_000);
    assert.equal(bakes.crashLooped('a', 7, 1_100)?.before, 6);
    assert.equal(bakes.crashLooped('a', 7, 1_101), null);
    assert.equal(bakes.crashLooped('a', 6, 1_050), null, 'another generation');
    assert.equal(bakes.crashLooped('b', 7, 1_050), null, 'another endpoint');
  });

  test('is none without a time, or without one before it', () => {
    for (const change of [{ bakeMs: 0 }, { before: null }]) {
      const bakes = new Bakes();
      bakes.begin('a', bake, 0);
      bakes.begin('a', { ...bake, generation: 8, ...change }, 0);
      assert.equal(bakes.crashLooped('a', 8, 0), null);
      assert.equal(bakes.crashLooped('a', 7, 0), null, 'nor does the one before any longer');
    }
  });

  test('goes back to none that was in a crash loop itself', () => {
    const bakes = new Bakes();
    bakes.begin('a', bake, 0);
    bakes.crashLooped('a', 6, 0);
    assert.equal(bakes.crashLooped('a', 7, 1), null);
  });

  test('is forgotten with its endpoint, whose numbers begin anew', () => {
    const bakes = new Bakes();
    bakes.begin('a', bake, 0);
    bakes.crashLooped('a', 6, 0);
    bakes.forget('a');
    assert.equal(bakes.crashLooped('a', 7, 1), null);
    bakes.forget('a');
    bakes.begin('a', bake, 0);
    assert.equal(bakes.crashLooped('a', 7, 1)?.before, 6);
  });
});

/** A process says that the generation has crashed 20 times in a row. */
function crashLoop(plane: ControlPlane, generation: number): void {
  plane.lifecycle.listener.crashLooped('a', generation, 20);
}

const lastError = (plane: ControlPlane): LastError | null | undefined => plane.lastError('a');

/** What was told of this kind, without its time. */
const seen = (plane: ControlPlane, type: string): object[] =>
  plane.seen.filter(event => event.type === type).map(event => ({ ...event, at: 0 }));

/** An endpoint whose generations have served one after the other. */
async function deployed(...codes: string[]): Promise<ControlPlane> {
  const plane = await ControlPlane.open();
  await plane.create('a');
  for (const code of codes) await plane.deploy('a', code);
  return plane;
}

/** Deploys code that does not bake. */
async function deployUnbaked(plane: ControlPlane, code: string): Promise<void> {
  await plane.lifecycle.change('a', { code });
  await plane.lifecycle.compile('a');
  await plane.lifecycle.deploy('a', { bakeMs: 0 });
}

describe('a crash loop with nothing to go back to', () => {
  test('takes the generation away everywhere and puts the endpoint to error, with what to do', async () => {
    await using plane = await deployed('one');
    crashLoop(plane, 1);
    await eventually('it is in error', () => plane.state('a') === 'error');
    const { code, message } = lastError(plane) ?? {};
    assert.equal(code, 'crash_loop');
    assert.match(message ?? '', /^Generation 1 crashed 20 times in a row, with no good answer between\. .*deploy.*\.$/);
    await eventually('it is taken away', () => plane.served('a') === undefined);
    assert.equal(plane.dataPlane.calls.at(-1), 'commit a none');
    assert.deepEqual(seen(plane, 'crash_loop'), [
      { type: 'crash_loop', endpoint: 'a', generation: 1, crashes: 20, at: 0 },
    ]);
    assert.deepEqual(seen(plane, 'rollback'), []);
  });

  test('is told once, however many processes come to the same end', async () => {
    await using plane = await deployed('one');
    crashLoop(plane, 1);
    crashLoop(plane, 1);
    // Takes its turn behind both.
    await plane.lifecycle.change('a', { path: '/moved' });
    assert.equal(seen(plane, 'crash_loop').length, 1);
    assert.equal(plane.state('a'), 'error');
    assert.equal(plane.dataPlane.routed.get('a')?.route.path, '/moved');
    assert.equal(plane.served('a'), undefined, 'a change of the route does not bring it back');
  });

  test('a change of the route does not bring back what has ended processes by being loaded', async () => {
    await using plane = await deployed('one');
    const spec = plane.dataPlane.routed.get('a');
    assert.ok(spec);
    // As the gateway processes do: they let go of it at once, and tell.
    await plane.dataPlane.commit('a', { ...spec, serving: null });
    plane.lifecycle.listener.endpointFailed('a', 1, { code: 'process_died', message: 'it ended the process' });
    await plane.lifecycle.change('a', { path: '/moved' });
    assert.equal(plane.dataPlane.routed.get('a')?.route.path, '/moved');
    assert.equal(plane.served('a'), undefined);
    assert.equal(plane.state('a'), 'error');
    await plane.lifecycle.deploy('a');
    assert.equal(plane.served('a'), 'one');
  });

  test('stays in error, whatever processes report, until a deploy, a rollback or an undeploy', async () => {
    for (const mend of ['deploy', 'rollback', 'undeploy'] as const) {
      await using plane = await deployed('one');
      await deployUnbaked(plane, 'two');
      plane.lifecycle.listener.endpointFailed('a', 2, { code: 'open_failed', message: 'no memory' });
      const spec = plane.dataPlane.routed.get('a');
      assert.ok(spec);
      crashLoop(plane, 2);
      await eventually('it is taken away', () => lastError(plane)?.code === 'crash_loop' && !plane.served('a'));
      plane.lifecycle.listener.started([spec], []);
      plane.lifecycle.listener.endpointFailed('a', 2, { code: 'open_failed', message: 'no memory' });
      assert.deepEqual([plane.state('a'), lastError(plane)?.code], ['error', 'crash_loop']);
      await plane.lifecycle.compile('a');
      assert.equal(lastError(plane)?.code, 'crash_loop', 'a build mends nothing');
      await plane.lifecycle[mend]('a');
      assert.equal(plane.state('a'), mend === 'undeploy' ? 'compiled' : 'loaded');
      assert.equal(plane.served('a'), { deploy: 'two', rollback: 'one', undeploy: undefined }[mend]);
      if (mend !== 'undeploy') assert.equal(lastError(plane), null);
    }
  });

  test('stays the reason for the error state when a build fails and a good one follows', async () => {
    await using plane = await deployed('one');
    plane.lifecycle.listener.endpointFailed('a', 1, { code: 'open_failed', message: 'no memory' });
    const spec = plane.dataPlane.routed.get('a');
    assert.ok(spec);
    crashLoop(plane, 1);
    await eventually('it is taken away', () => plane.served('a') === undefined);
    await plane.lifecycle.change('a', { code: 'fail' });
    await assert.rejects(plane.lifecycle.compile('a'), { code: 'compile_failed' });
    assert.deepEqual([plane.state('a'), lastError(plane)?.code], ['error', 'compile_failed']);
    plane.lifecycle.listener.started([spec], []);
    assert.equal(plane.state('a'), 'error', 'a failed build does not let it be mended by what mends no crash loop');
    await plane.lifecycle.change('a', { code: 'two' });
    await plane.lifecycle.compile('a');
    assert.deepEqual([plane.state('a'), lastError(plane)?.code], ['error', 'crash_loop']);
    await plane.lifecycle.deploy('a');
    assert.deepEqual([plane.state('a'), lastError(plane)], ['loaded', null]);
  });

  test('is tried again after a restart of the program', async () => {
    const first = await deployed('one');
    crashLoop(first, 1);
    await eventually('it is in error', () => first.state('a') === 'error');
    first.store.close();
    await using second = await ControlPlane.open(first.dataDir);
    const { endpoints } = await second.lifecycle.recover();
    assert.equal(endpoints[0]?.serving?.generation, 1);
    assert.deepEqual([second.state('a'), lastError(second)], ['loaded', null]);
    crashLoop(second, 1);
    await eventually('it is in error again', () => second.state('a') === 'error');
  });

  test('of an endpoint that is undeployed, deleted or served by another generation by now is nothing', async () => {
    await using plane = await deployed('one', 'two');
    crashLoop(plane, 1);
    await plane.lifecycle.undeploy('a');
    crashLoop(plane, 2);
    await plane.lifecycle.remove('a');
    crashLoop(plane, 2);
    await plane.create('a');
    assert.deepEqual(seen(plane, 'crash_loop'), []);
    assert.deepEqual(seen(plane, 'failure'), []);
    assert.equal(plane.state('a'), 'created');
  });

  test('that cannot be written, because the disk is full, is over in the processes, and written later', async () => {
    await using plane = await deployed('one');
    const { store } = plane;
    const transaction = store.transaction.bind(store);
    store.transaction = () => {
      throw new AdminError('storage_failed');
    };
    crashLoop(plane, 1);
    await eventually('it is taken away', () => plane.served('a') === undefined);
    store.transaction = transaction;
    await eventually('it is written', () => plane.state('a') === 'error');
  });
});

describe('a crash loop soon after a deploy', () => {
  test('is ended by going back to the build before, which is said everywhere', async () => {
    await using plane = await deployed('one', 'two');
    crashLoop(plane, 2);
    await eventually('it is rolled back', () => plane.served('a') === 'one');
    const [rollback] = await eventually('it is told', () => {
      const told = seen(plane, 'rollback');
      return told.length === 1 && told;
    });
    const message =
      'Generation 2 crashed 20 times in a row within 60 s of its deploy; generation 3 serves the build of generation 1 again.';
    const numbers = { endpoint: 'a', from: 2, to: 3, restored: 1 };
    assert.deepEqual(rollback, { type: 'rollback', ...numbers, reason: 'crash_loop', message, at: 0 });
    assert.deepEqual([lastError(plane)?.code, lastError(plane)?.message], ['rolled_back', message]);
    assert.equal(plane.state('a'), 'loaded');
    assert.equal(seen(plane, 'crash_loop').length, 1);
    assert.deepEqual(
      plane.store.generations('a').map(({ cause }) => cause),
      ['automatic_rollback', 'deploy', 'deploy'],
    );
    assert.deepEqual(plane.generations('a').at(-1), 'serving');
  });

  test('keeps its last error until the next swap', async () => {
    await using plane = await deployed('one', 'two');
    crashLoop(plane, 2);
    await eventually('it is rolled back', () => lastError(plane)?.code === 'rolled_back');
    await plane.lifecycle.change('a', { code: 'three' });
    await plane.lifecycle.compile('a');
    assert.equal(lastError(plane)?.code, 'rolled_back');
    await plane.lifecycle.deploy('a');
    assert.equal(lastError(plane), null);
  });

  test('is not ended so twice in a row: what is gone back to does not bake', async () => {
    await using plane = await deployed('one', 'two');
    crashLoop(plane, 2);
    await eventually('it is rolled back', () => plane.served('a') === 'one');
    crashLoop(plane, 3);
    await eventually('it is in error', () => plane.state('a') === 'error');
    assert.equal(lastError(plane)?.code, 'crash_loop');
    assert.equal(seen(plane, 'rollback').length, 1);
  });

  test('of a rollback somebody asked for is ended so as well', async () => {
    await using plane = await deployed('one', 'two');
    await plane.lifecycle.rollback('a');
    crashLoop(plane, 3);
    await eventually('it is rolled back', () => plane.served('a') === 'two');
  });

  const KEPT: readonly [what: string, prepare: (plane: ControlPlane) => Promise<unknown>][] = [
    ['did not bake', async plane => deployUnbaked(plane, 'two')],
    ['was a rollback that did not bake', async plane => plane.lifecycle.rollback('a', 1, { bakeMs: 0 })],
    [
      'had baked to the end',
      async plane => {
        await plane.lifecycle.change('a', { code: 'two' });
        await plane.lifecycle.compile('a');
        await plane.lifecycle.deploy('a', { bakeMs: Number.MIN_VALUE });
      },
    ],
    ['has the same library as the one before', async plane => plane.lifecycle.deploy('a')],
    [
      'followed on nothing, the one before being undeployed',
      async plane => {
        await plane.lifecycle.undeploy('a');
        await plane.deploy('a', 'two');
      },
    ],
    [
      'followed on one in a crash loop',
      async plane => {
        crashLoop(plane, 1);
        await eventually('it is in error', () => plane.state('a') === 'error');
        await plane.deploy('a', 'two');
      },
    ],
    [
      'followed on one that could not be loaded any more',
      async plane => {
        plane.lifecycle.listener.endpointFailed('a', 1, { code: 'open_failed', message: 'damaged' });
        await plane.deploy('a', 'two');
      },
    ],
  ];
  for (const [what, prepare] of KEPT) {
    test(`puts the endpoint to error when its generation ${what}`, async () => {
      await using plane = await deployed('one');
      await prepare(plane);
      const generation = plane.store.endpoint('a')?.generation ?? 0;
      crashLoop(plane, generation);
      await eventually('it is in error', () => plane.state('a') === 'error');
      assert.equal(lastError(plane)?.code, 'crash_loop');
      assert.deepEqual(seen(plane, 'rollback'), []);
      assert.equal(plane.store.endpoint('a')?.generation, generation);
    });
  }
});

describe('an automatic rollback', () => {
  test('that fails puts the endpoint to error, with both reasons', async () => {
    await using plane = await deployed('one', 'two');
    plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'init_failed', message: 'a static panicked' }];
    crashLoop(plane, 2);
    await eventually('it is in error', () => plane.state('a') === 'error');
    const { code, message = '' } = lastError(plane) ?? {};
    assert.equal(code, 'crash_loop');
    assert.match(message, /^Generation 2 crashed 20 times in a row within 60 s of its deploy, and going back to/);
    assert.match(message, /generation 1 failed: The library cannot be loaded: a static panicked/);
    await eventually('it is taken away', () => plane.served('a') === undefined);
    assert.deepEqual(plane.generations('a'), ['retired (drained)', 'serving', 'failed']);
  });

  test('to a library that is gone puts the endpoint to error', async () => {
    await using plane = await deployed('one', 'two');
    plane.compiler.missing.add('one');
    crashLoop(plane, 2);
    await eventually('it is in error', () => plane.state('a') === 'error');
    assert.match(lastError(plane)?.message ?? '', /failed: The library of this build is missing or damaged/);
  });

  test('gives way to a deploy under way', async () => {
    await using plane = await deployed('one', 'two');
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const { promise: preparing, resolve: begun } = Promise.withResolvers<void>();
    plane.dataPlane.beforePrepare = async () => {
      begun();
      await held;
    };
    const deploying = plane.deploy('a', 'three');
    await preparing;
    crashLoop(plane, 2);
    release();
    assert.equal(await deploying, 3);
    await plane.lifecycle.change('a', { name: 'in turn' });
    assert.equal(plane.served('a'), 'three');
    assert.deepEqual(seen(plane, 'crash_loop'), []);
    crashLoop(plane, 3);
    await eventually('there is nothing healthy to go back to', () => plane.state('a') === 'error');
  });

  test('comes after a deploy under way that fails', async () => {
    await using plane = await deployed('one', 'two');
    plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'init_failed', message: 'no' }];
    plane.dataPlane.beforePrepare = async ({ serving }) => {
      if (serving?.generation === 3) crashLoop(plane, 2);
    };
    await assert.rejects(plane.deploy('a', 'three'), { code: 'load_failed' });
    await eventually('it is rolled back', () => plane.served('a') === 'one');
    assert.deepEqual(plane.generations('a'), ['retired (drained)', 'retired (drained)', 'failed', 'serving']);
  });

  test('under way, a deploy that is called comes after it and wins', async () => {
    await using plane = await deployed('one', 'two');
    await plane.lifecycle.change('a', { code: 'three' });
    await plane.lifecycle.compile('a');
    crashLoop(plane, 2);
    assert.equal((await plane.lifecycle.deploy('a')).generation, 4);
    assert.equal(plane.served('a'), 'three');
    assert.equal(lastError(plane), null);
  });
});
