import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { FAULT_KINDS, faultOf, type FaultKind } from '../../src/protocol/guard.ts';
import { CrashStreak } from '../../src/serving/crash-streak.ts';
import { Harness, spec } from './harness.ts';
import { replyWith } from './manual-pool.ts';
import { settled } from './manual-clock.ts';

const KINDS: readonly FaultKind[] = [...FAULT_KINDS, 'panic', 'invalid_output'];
const NO_CRASHES: readonly FaultKind[] = ['none', 'panic', 'interrupted'];

describe('a row of crashes', () => {
  test('is made of every kind of fault but panics and interrupted calls, which neither add to it nor end it', () => {
    for (const kind of KINDS) {
      const streak = new CrashStreak(2);
      streak.faulted('memory');
      const trips = !NO_CRASHES.includes(kind);
      assert.equal(streak.faulted(kind), trips, kind);
      assert.equal(streak.faulted('memory'), !trips, `${kind}, then one more`);
    }
  });

  test('ends with a good answer', () => {
    const streak = new CrashStreak(3);
    for (let round = 0; round < 100; round++) {
      streak.faulted('abort');
      assert.equal(streak.faulted('exit'), false);
      streak.answered();
    }
    assert.equal(streak.crashes, 0);
  });

  test('trips once, and for good', () => {
    const streak = new CrashStreak(1);
    assert.deepEqual([streak.faulted('memory'), streak.faulted('memory')], [true, false]);
    streak.answered();
    assert.deepEqual([streak.hasTripped, streak.crashes], [true, 1]);
  });

  test('never trips when the setting is 0', () => {
    const streak = new CrashStreak(0);
    for (let crash = 0; crash < 1_000; crash++) assert.equal(streak.faulted('memory'), false);
    assert.equal(streak.hasTripped, false);
  });
});

/** Crashes of the generation that its newest pool tells of. */
function crash(h: Harness, id: string, generation: number, times: number, kind: FaultKind = 'memory'): void {
  const { events } = h.factory.pool(id, generation).spec;
  for (let done = 0; done < times; done++) events.fault('r', { ...faultOf(kind), message: null });
}

async function started(): Promise<Harness> {
  const h = new Harness({ crashLoopFaults: 5, sleepAfterMs: 60_000 });
  await h.start(spec('a', 1), spec('b', 1));
  return h;
}

describe('a generation in a crash loop', () => {
  test('takes no more requests, refuses those that wait, lets started ones finish, and tells it once', async () => {
    const h = await started();
    const finishes = h.request('a');
    h.factory.pool('a', 1).images = 0;
    const waits = h.request('a');
    crash(h, 'a', 1, 9);
    assert.deepEqual(h.eventsOf('crash_loop'), [{ kind: 'crash_loop', endpoint: 'a', generation: 1, crashes: 5 }]);
    assert.deepEqual(waits.outcome, { kind: 'failure', code: 'endpoint_not_loaded' });
    assert.equal(h.request('a').taken, false);
    h.answerAll();
    assert.equal(finishes.outcome?.kind, 'reply');
    assert.equal(h.request('a').taken, false, 'a late answer changes nothing');
    assert.equal(h.eventsOf('fault').length, 9, 'every fault is told');
  });

  test('leaves other endpoints alone', async () => {
    const h = await started();
    h.answers = true;
    crash(h, 'a', 1, 5);
    assert.equal(h.request('b').outcome?.kind, 'reply');
    crash(h, 'b', 1, 4);
    assert.equal(h.request('b').outcome?.kind, 'reply');
    assert.equal(h.eventsOf('crash_loop').length, 1);
  });

  test('is none with an answer between, of whatever status', async () => {
    const h = await started();
    for (let round = 0; round < 10; round++) {
      const asked = h.request('a');
      crash(h, 'a', 1, 4);
      h.open.shift()?.(replyWith('not today', 503));
      assert.equal(asked.outcome?.kind, 'reply');
    }
    assert.deepEqual(h.eventsOf('crash_loop'), []);
  });

  test('is none for any number of panics and time-outs, but they end no row either', async () => {
    const h = await started();
    crash(h, 'a', 1, 100, 'panic');
    crash(h, 'a', 1, 100, 'interrupted');
    assert.deepEqual(h.eventsOf('crash_loop'), []);
    crash(h, 'a', 1, 4);
    crash(h, 'a', 1, 100, 'panic');
    crash(h, 'a', 1, 1);
    assert.equal(h.eventsOf('crash_loop').length, 1);
  });

  test('is in one over sleep and wake: its crashes still follow each other', async () => {
    const h = await started();
    crash(h, 'a', 1, 3);
    await h.clock.advance(120_000);
    assert.equal(h.asleep('a'), true);
    h.request('a').cancel();
    await settled();
    crash(h, 'a', 1, 2);
    assert.equal(h.eventsOf('crash_loop').length, 1);
    await h.clock.advance(120_000);
    assert.equal(h.request('a').taken, false, 'no request wakes it');
  });

  test('stays out of service when its route changes, and makes room for the next generation', async () => {
    const h = await started();
    h.answers = true;
    crash(h, 'a', 1, 5);
    h.deployment.commit('a', spec('a', 1, { route: { domain: '*', method: 'GET', path: '/moved' } }));
    assert.equal(h.request('a').taken, false);
    await h.deployment.prepare(spec('a', 2));
    h.deployment.commit('a', spec('a', 2));
    assert.equal(h.request('a').outcome?.kind, 'reply');
    crash(h, 'a', 2, 4);
    assert.equal(h.request('a').outcome?.kind, 'reply', 'its crashes are its own');
    await settled();
    assert.deepEqual(
      h.eventsOf('retired').map(({ generation, outcome }) => [generation, outcome]),
      [[1, 'drained']],
    );
  });

  test('trips while its successor is being prepared, which takes over all the same', async () => {
    const h = await started();
    h.answers = true;
    const gate = Promise.withResolvers<void>();
    h.factory.beforeBind = () => gate.promise;
    const preparing = h.deployment.prepare(spec('a', 2));
    await settled();
    crash(h, 'a', 1, 5);
    gate.resolve();
    assert.deepEqual(await preparing, { ok: true });
    h.deployment.commit('a', spec('a', 2));
    assert.equal(h.request('a').outcome?.kind, 'reply');
  });

  test('is taken away with its images, and no request wakes it', async () => {
    const h = await started();
    crash(h, 'a', 1, 5);
    h.deployment.commit('a', spec('a', null));
    await settled();
    assert.equal(h.factory.pool('a', 1).images, 0);
    assert.equal(h.request('a').taken, false);
    assert.equal(h.factory.pools.filter(pool => pool.spec.endpoint === 'a').length, 1);
  });

  test('goes on with the row of the process whose place it takes, with its own generation only', async () => {
    const h = new Harness({ crashLoopFaults: 5, sleepAfterMs: 60_000 });
    const row = { crashes: 4, generation: 1 };
    await h.start(spec('a', 1), spec('b', 2));
    h.deployment.open([
      { endpoint: 'a', ...row },
      { endpoint: 'b', ...row },
      { endpoint: 'gone', ...row },
    ]);
    crash(h, 'a', 1, 1);
    crash(h, 'b', 2, 4);
    assert.deepEqual(
      h.eventsOf('crash_loop').map(({ endpoint, crashes }) => [endpoint, crashes]),
      [['a', 5]],
    );
  });

  test('does not trip by what it takes over, and a good answer ends that too', async () => {
    const h = await started();
    h.answers = true;
    h.deployment.open([{ endpoint: 'a', generation: 1, crashes: 90 }]);
    assert.equal(h.request('a').outcome?.kind, 'reply');
    crash(h, 'a', 1, 4);
    assert.deepEqual(h.eventsOf('crash_loop'), []);
  });

  test('says nothing while it drains: another one serves', async () => {
    const h = await started();
    h.request('a');
    h.deployment.commit('a', spec('a', 2));
    crash(h, 'a', 1, 50);
    assert.deepEqual(h.eventsOf('crash_loop'), []);
    h.answerAll();
    await settled();
  });
});
