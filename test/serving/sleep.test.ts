import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { wakePauseMs } from '../../src/serving/wake-backoff.ts';
import { Harness, spec } from './harness.ts';
import { replyWith } from './manual-pool.ts';
import { settled } from './manual-clock.ts';

describe('an endpoint that sleeps', () => {
  test('was without requests for the time that is set, has no images and still serves', async () => {
    const h = new Harness({ sleepAfterMs: 60_000 });
    await h.start(spec('a', 1));
    await h.clock.advance(50_000);
    h.answers = true;
    h.request('a');
    await h.clock.advance(50_000);
    assert.equal(h.asleep('a'), false);
    await h.clock.advance(20_000);
    assert.equal(h.asleep('a'), true);
    assert.equal(h.factory.pool('a', 1).images, 0);
    assert.equal(h.endpoint('a').serving?.state, 'serving');
    assert.deepEqual(h.eventsOf('retired'), []);
  });

  test('does so only where requests come: in a spare process it stays awake, and its time begins when that takes over', async () => {
    const h = new Harness({ sleepAfterMs: 60_000 });
    await h.startSpare(spec('a', 1));
    await h.clock.advance(1_000_000);
    assert.equal(h.asleep('a'), false);
    h.deployment.open([]);
    await h.clock.advance(50_000);
    assert.equal(h.asleep('a'), false);
    await h.clock.advance(20_000);
    assert.equal(h.asleep('a'), true);
  });

  test('is woken by the next request, which is answered', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    await h.clock.advance(5_000);
    h.answers = true;
    const request = h.request('a');
    await settled();
    assert.equal(request.outcome?.kind, 'reply');
    assert.equal(h.factory.pools.length, 2);
    assert.equal(h.eventsOf('bound').length, 2);
  });

  test('keeps its request count over sleep and wake', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    h.answers = true;
    h.request('a');
    await h.clock.advance(5_000);
    h.request('a');
    await settled();
    assert.equal(h.endpoint('a').serving?.figures().requests, 2);
  });

  test('is one without requests: a long one keeps it awake', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    h.request('a');
    await h.clock.advance(20_000);
    assert.equal(h.asleep('a'), false);
  });

  test('never does for time alone when the setting is 0', async () => {
    const h = new Harness({ sleepAfterMs: 0 });
    await h.start(spec('a', 1));
    await h.clock.advance(10_000_000);
    assert.equal(h.asleep('a'), false);
  });

  test('can be swapped and is reported drained', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    await h.clock.advance(5_000);
    h.deployment.commit('a', spec('a', 2));
    await settled();
    assert.equal(h.eventsOf('retired')[0]?.outcome, 'drained');
  });
});

describe('a wake that fails', () => {
  test('refuses the request, is told as endpoint_failed, and is tried again after a pause', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    await h.clock.advance(5_000);
    h.factory.bindFailure = () => ({ code: 'init_failed', message: 'static panicked' });
    const first = h.request('a');
    await settled();
    await h.clock.advance(0);
    assert.deepEqual(first.outcome, { kind: 'failure', code: 'endpoint_not_loaded' });
    assert.deepEqual(h.eventsOf('endpoint_failed'), [
      { kind: 'endpoint_failed', endpoint: 'a', generation: 1, code: 'init_failed', message: 'static panicked' },
    ]);
    assert.equal(h.request('a').taken, false, 'within the pause');
    await h.clock.advance(wakePauseMs(1));
    h.factory.bindFailure = () => null;
    h.answers = true;
    const again = h.request('a');
    await settled();
    assert.equal(again.outcome?.kind, 'reply');
  });

  test('is tried again at once after a commit', async () => {
    const h = new Harness({ sleepAfterMs: 1_000 });
    await h.start(spec('a', 1));
    await h.clock.advance(5_000);
    h.factory.bindFailure = () => ({ code: 'init_failed', message: '' });
    h.request('a');
    await settled();
    h.deployment.commit('a', spec('a', 1));
    assert.equal(h.request('a').taken, true);
  });

  test('pauses longer each time, up to half a minute', () => {
    assert.deepEqual(
      [0, 1, 2, 3, 7, 50].map(failures => wakePauseMs(failures)),
      [0, 500, 1_000, 2_000, 30_000, 30_000],
    );
  });
});

test('what was started when nothing can be loaded any more has its own deadline, and a drain may still end it', async () => {
  const h = new Harness();
  await h.start(spec('a', 1, { timeoutMs: 20_000 }));
  const pool = h.factory.pool('a', 1);
  const [answered, drained] = [h.request('a'), h.request('a')];
  pool.images = 0;
  pool.spec.events.bindFailed({ code: 'copy_failed', message: 'no descriptors' });
  assert.equal(pool.retired, true);
  h.open[0]?.(replyWith('in time'));
  assert.equal(answered.outcome?.kind, 'reply');
  assert.equal(drained.outcome, null);
  h.deployment.commit('a', spec('a', 2, { drainTimeoutMs: 1_000 }));
  await h.clock.advance(1_000);
  assert.deepEqual(drained.outcome, { kind: 'failure', code: 'handler_drain_forced' });
});

test('an endpoint whose last worker lost its image is failed, and woken by a later request', async () => {
  const h = new Harness();
  await h.start(spec('a', 1));
  const pool = h.factory.pool('a', 1);
  pool.images = 0;
  pool.spec.events.bindFailed({ code: 'init_failed', message: 'crashes at start' });
  assert.equal(h.eventsOf('endpoint_failed').length, 1);
  assert.equal(h.request('a').taken, false);
  await h.clock.advance(wakePauseMs(1));
  assert.equal(h.request('a').taken, true);
});
