/** Workers whose images keep crashing wait before they bind a fresh one, and can be called out of it at any time. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { RecyclePause, recyclePauseMs } from '../../workers/recycle-pause.ts';
import { eventually } from '../support/eventually.ts';
import { ask, assertFails, LIMITS_FOR_TESTS, text } from './harness.ts';
import { mappedImages, ringPools } from './ring-pools.ts';

describe('the pause before a fresh image', () => {
  it('begins with the third crash in a row and doubles up to a quarter of a second', () => {
    assert.deepEqual([0, 1, 2, 3, 4, 5, 7, 8, 1_000_000].map(recyclePauseMs), [0, 0, 0, 10, 20, 40, 160, 250, 250]);
  });

  it('runs from the crash on, and a good answer ends it and the row', () => {
    const pause = new RecyclePause(false);
    for (const nowMs of [100, 200, 300]) pause.crashed(nowMs);
    assert.deepEqual([pause.leftMs(300), pause.leftMs(304), pause.leftMs(310), pause.leftMs(900)], [10, 6, 0, 0]);
    pause.crashed(400);
    assert.equal(pause.leftMs(400), 20);
    pause.answered();
    assert.equal(pause.leftMs(400), 0);
    pause.crashed(401);
    assert.equal(pause.leftMs(401), 0, 'the first in a row again');
  });

  it('is none when it is turned off, before or during one', () => {
    const never = new RecyclePause(true);
    const ended = new RecyclePause(false);
    for (let crash = 0; crash < 9; crash++) {
      never.crashed(0);
      ended.crashed(0);
    }
    assert.deepEqual([never.leftMs(0), ended.leftMs(0)], [0, 250]);
    ended.turnOff();
    assert.equal(ended.leftMs(0), 0);
  });
});

const pools = await ringPools({ pausesRecycles: true });

/** A pool whose only worker has crashed so often that it waits for a fresh image. */
async function crashing(crashes: number) {
  const { pool, events } = await pools.make();
  assert.equal(await pool.bind(1), null);
  for (let crash = 0; crash < crashes; crash++) await assertFails(ask(pool, 'op=null'), 'handler_crashed');
  return { pool, events };
}

describe('a worker in a crash loop', () => {
  it('waits longer before each fresh image, then serves again', async () => {
    const start = performance.now();
    const { pool, events } = await crashing(7);
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    const [first, ...pauses] = [3, 4, 5, 6, 7].map(recyclePauseMs);
    const least = pauses.reduce((sum, pause) => sum + pause, first ?? 0);
    assert.ok(performance.now() - start >= least, `seven fresh images within ${performance.now() - start} ms`);
    await eventually('all are told', () => events.recycles.length === 7);
    await pool.retire(1_000);
  });

  it('lets requests wait no longer than their deadline, or until their client leaves', async () => {
    const { pool, events } = await crashing(8);
    const waiting = ask(pool, 'op=big&n=1');
    const left = ask(pool, 'op=big&n=1');
    const large = ask(pool, 'op=echo', { body: Buffer.alloc(1 << 20) });
    left.invocation.cancel();
    pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 1 });
    for (const asked of [waiting, large]) await assertFails(asked, 'handler_timeout');
    assert.deepEqual(left.outcomes, []);
    pool.setLimits(LIMITS_FOR_TESTS);
    await eventually('none is left', () => pool.figures().inFlight === 0);
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    assert.equal(events.faults.length, 8);
    await pool.retire(1_000);
  });

  it('finishes meanwhile what is suspended after a panic', async () => {
    const { pool } = await pools.make();
    await pool.bind(1);
    const sleeping = ask(pool, 'op=sleep&n=300');
    const waiting = ask(pool, 'op=forever');
    await eventually('both started', () => pool.figures().queueLength === 0);
    await assertFails(ask(pool, 'op=panic'), 'handler_panicked');
    for (let crash = 0; crash < 6; crash++) await assertFails(ask(pool, 'op=null'), 'handler_crashed');
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    assert.equal(await text(sleeping), '200 sleep');
    waiting.invocation.cancel();
    assert.equal((await pool.retire(1_000)).outcome, 'drained');
  });

  it('waits for nothing when its pool drains: what is queued crashes one after the other', async () => {
    const { pool } = await crashing(8);
    const queued = Array.from({ length: 60 }, () => ask(pool, 'op=null'));
    // With pauses they would take 15 seconds.
    assert.deepEqual(await pool.retire(10_000), { outcome: 'drained', stillMapped: false });
    for (const asked of queued) await assertFails(asked, 'handler_crashed');
  });

  it('can be forced out and leaves nothing', async () => {
    const { pool } = await crashing(8);
    const queued = ask(pool, 'op=big&n=1');
    await pool.retire(0);
    assert.match(await text(queued), /^(handler_drain_forced|200 x)$/);
    assert.deepEqual(mappedImages(pools.imagesDir), []);
    assert.equal(pools.factory.figures().librariesMapped, 0);
  });
});
