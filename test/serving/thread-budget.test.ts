import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { imagesForDeploy, overdueForSleep, planRoom } from '../../src/serving/thread-budget.ts';
import { Harness, spec } from './harness.ts';
import { settled } from './manual-clock.ts';

const use = (name: string, threads: number, idle: boolean, lastUsedMs: number) => ({ name, threads, idle, lastUsedMs });
const names = (uses: readonly { readonly name: string }[]) => uses.map(({ name }) => name);

describe('the plan for free threads', () => {
  test('shrinks the least recently used pools first, and only as many as needed', () => {
    const plan = planRoom([use('new', 4, true, 30), use('old', 3, true, 10), use('single', 1, true, 5)], 2);
    assert.deepEqual([names(plan.shrink), names(plan.sleep)], [['old'], []]);
  });

  test('puts idle ones to sleep when shrinking is not enough, the least recently used first', () => {
    const plan = planRoom([use('a', 2, true, 30), use('b', 1, true, 20), use('c', 1, true, 10)], 2);
    assert.deepEqual([names(plan.shrink), names(plan.sleep)], [['a'], ['c']]);
  });

  test('does not count on threads of busy pools, and never puts those to sleep', () => {
    const plan = planRoom([use('busy', 4, false, 10), use('idle', 1, true, 20)], 1);
    assert.deepEqual([names(plan.shrink), names(plan.sleep)], [['busy'], ['idle']]);
  });

  test('is empty when nothing is missing', () => {
    assert.deepEqual(planRoom([use('a', 4, true, 1)], 0), { shrink: [], sleep: [] });
  });
});

test('a deploy gets what is free, and one image in any case', () => {
  assert.deepEqual(
    [imagesForDeploy(4, 9), imagesForDeploy(4, 2), imagesForDeploy(4, 0), imagesForDeploy(0, 3)],
    [4, 2, 1, 1],
  );
});

test('overdue are idle ones with threads, and none when the time is 0', () => {
  const uses = [
    use('due', 1, true, 0),
    use('busy', 1, false, 0),
    use('asleep', 0, true, 0),
    use('recent', 1, true, 95),
  ];
  assert.deepEqual(names(overdueForSleep(uses, 100, 10)), ['due']);
  assert.deepEqual(overdueForSleep(uses, 100, 0), []);
});

describe('a process at THREADS_MAX', () => {
  test('puts the least recently used idle endpoint to sleep for a wake', async () => {
    const h = new Harness({ threadsMax: 2 });
    await h.start(spec('a', 1), spec('b', 1), spec('c', 1));
    h.answers = true;
    await h.clock.advance(10);
    h.request('a');
    const woken = h.request('c');
    await settled();
    assert.equal(woken.outcome?.kind, 'reply');
    assert.deepEqual([h.asleep('a'), h.asleep('b'), h.asleep('c')], [false, true, false]);
    assert.equal(h.deployment.threadsUsed, 2);
  });

  test('shrinks pools before it puts anybody to sleep', async () => {
    const h = new Harness({ threadsMax: 4 });
    await h.start(spec('a', 1), spec('b', 1), spec('c', 1));
    h.factory.pool('b', 1).images = 2;
    h.answers = true;
    h.deployment.commit('d', spec('d', 1));
    await settled();
    assert.equal(h.factory.pool('b', 1).images, 1);
    assert.deepEqual([h.asleep('a'), h.asleep('b'), h.asleep('c'), h.asleep('d')], [false, false, false, false]);
  });

  test('lets a wake wait for a thread that busy ones hold', async () => {
    const h = new Harness({ threadsMax: 1 });
    await h.start(spec('a', 1), spec('b', 1));
    const busy = h.request('a');
    const waiting = h.request('b');
    await h.clock.advance(5_000);
    assert.equal(h.asleep('b'), false);
    assert.equal(h.deployment.threadsUsed, 1);
    h.answers = true;
    h.answerAll();
    await h.clock.advance(100);
    assert.equal(busy.outcome?.kind, 'reply');
    assert.equal(waiting.outcome?.kind, 'reply');
  });

  test('answers a wake that found no thread in time with a timeout, and stops waiting for it', async () => {
    const h = new Harness({ threadsMax: 1 });
    await h.start(spec('a', 1), spec('b', 1, { timeoutMs: 3_000 }));
    h.request('a');
    const waiting = h.request('b');
    await h.clock.advance(3_000);
    assert.deepEqual(waiting.outcome, { kind: 'failure', code: 'handler_timeout' });
    h.answerAll();
    await h.clock.advance(100);
    assert.equal(h.asleep('b'), true);
    assert.equal(h.asleep('a'), false, 'nobody needed its thread any more');
  });

  test('answers requests that waited for a thread when their generation is superseded', async () => {
    const h = new Harness({ threadsMax: 1 });
    await h.start(spec('a', 1), spec('b', 1));
    h.request('a');
    const waiting = h.request('b');
    h.answers = true;
    h.deployment.commit('b', spec('b', 2));
    await settled();
    assert.equal(waiting.outcome?.kind, 'reply');
    await settled();
    assert.equal(h.eventsOf('retired')[0]?.outcome, 'drained');
  });

  test('always has a thread for a deploy', async () => {
    const h = new Harness({ threadsMax: 1 });
    await h.start(spec('a', 1));
    h.request('a');
    assert.deepEqual(await h.deployment.prepare(spec('b', 1)), { ok: true });
    assert.equal(h.factory.pool('b', 1).images, 1);
  });

  test('lets no pool grow, and does again when there is room', async () => {
    const h = new Harness({ threadsMax: 2 });
    await h.start(spec('a', 1), spec('b', 1));
    const { events } = h.factory.pool('a', 1).spec;
    assert.equal(events.mayGrow(), false);
    h.deployment.commit('b', null);
    await settled();
    assert.equal(events.mayGrow(), true);
  });
});
