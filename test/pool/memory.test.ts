/** The memory of real images in ring pools: what they occupy, and how a peak is given back. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import type { HandlerPool, PoolLimits } from '../../src/pool/handler-pool.ts';
import { CHandlers } from '../guard/libraries.ts';
import { eventually } from '../support/eventually.ts';
import { handlerLibrary } from '../support/handlers.ts';
import { residentHeapBytes } from '../support/mappings.ts';
import { ask, assertFails, text } from './harness.ts';
import { ringPools } from './ring-pools.ts';

const MIB = 1 << 20;
const ARENA_BYTES = 64 * MIB;
/** More than a heap at rest occupies. */
const REST_BYTES = MIB;

const pools = await ringPools();

async function boundPool(limits: Partial<PoolLimits> = {}, images = 1) {
  const made = await pools.make(limits, await handlerLibrary('memory'));
  assert.equal(await made.pool.bind(images), null);
  return made;
}

const occupied = (pool: HandlerPool): number => pool.memory().memoryBytes;

describe('the figure', () => {
  it('is what the kernel says of the heaps', async () => {
    const { pool } = await boundPool({ threadsMax: 2 }, 2);
    await text(ask(pool, 'op=peak&n=20'));
    const { memoryBytes, memoryLimitBytes } = pool.memory();
    assert.equal(memoryLimitBytes, 2 * ARENA_BYTES);
    assert.ok(memoryBytes >= 20 * MIB && memoryBytes < 21 * MIB, `${memoryBytes} bytes`);
    // The image may give memory back between two looks.
    assert.ok(Math.abs(residentHeapBytes(ARENA_BYTES) - memoryBytes) < MIB / 4);
    await pool.retire(1_000);
    assert.deepEqual(pool.memory(), { memoryBytes: 0, memoryLimitBytes: 0 });
    assert.equal(residentHeapBytes(ARENA_BYTES), 0);
  });

  it('shows what a handler has taken that does not come back', async () => {
    const { pool } = await boundPool({ timeoutMs: 1_000 });
    const burning = ask(pool, 'op=burn&n=30');
    await eventually('its memory is seen', () => occupied(pool) >= 30 * MIB);
    assert.deepEqual(burning.outcomes, []);
    await assertFails(burning, 'handler_timeout');
    await eventually('a fresh image', () => occupied(pool) < REST_BYTES);
    await pool.retire(1_000);
  });

  it('does not mix pools', async () => {
    const [one, other] = [await boundPool(), await boundPool()];
    await text(ask(one.pool, 'op=peak&n=30'));
    assert.ok(occupied(one.pool) >= 30 * MIB);
    assert.ok(occupied(other.pool) < REST_BYTES);
    await Promise.all([one.pool.retire(1_000), other.pool.retire(1_000)]);
  });

  it('can be had at any moment while images crash and are bound afresh', async () => {
    const { pool, events } = await boundPool({ threadsMax: 2 }, 2);
    const requests = Array.from({ length: 200 }, (_, n) => ask(pool, n % 2 === 0 ? 'op=peak&n=100' : 'op=small'));
    let isOver = false;
    const ended = Promise.all(requests.map(({ outcome }) => outcome)).then(() => (isOver = true));
    while (!isOver) {
      assert.ok(occupied(pool) <= 2 * ARENA_BYTES);
      await new Promise(resolve => setImmediate(resolve));
    }
    await ended;
    // An outcome comes through the ring, the report of its fault over the port: the last one may still be on its way.
    await eventually('every fault is told', () => events.faults.length >= 100);
    assert.equal(events.faults.length, 100);
    await pool.retire(1_000);
  });
});

describe('a peak', () => {
  for (const [what, query, peakBytes] of [
    ['of one block', 'op=peak&n=40', 40 * MIB],
    ['of small boxes, freed out of order', 'op=boxes&n=800', 40 * MIB],
    ['below a leaked box', 'op=boxes_below_leak&n=800', 40 * MIB],
  ] as const) {
    it(`${what} is given back when there are no requests`, async () => {
      const { pool, events } = await boundPool();
      await text(ask(pool, query));
      assert.ok(occupied(pool) >= peakBytes, `only ${occupied(pool)} bytes`);
      await eventually('it is given back', () => occupied(pool) < REST_BYTES);
      assert.equal(await text(ask(pool, 'op=zeroed&n=30000')), '200 true');
      assert.deepEqual([events.faults, events.recycles], [[], []]);
      await pool.retire(1_000);
    });
  }

  it('is given back while small requests go on', async () => {
    const { pool } = await boundPool();
    await text(ask(pool, 'op=peak&n=40'));
    let requests = 0;
    await eventually('it is given back', async () => {
      requests += 1;
      assert.equal(await text(ask(pool, 'op=small')), '200 small');
      return occupied(pool) < REST_BYTES;
    });
    assert.ok(requests > 10);
    await pool.retire(1_000);
  });

  it('is given back while a request is suspended on the image', async () => {
    const { pool } = await boundPool();
    const suspended = ask(pool, 'op=forever');
    await text(ask(pool, 'op=peak&n=40'));
    await eventually('it is given back', () => occupied(pool) < REST_BYTES);
    assert.deepEqual(suspended.outcomes, []);
    assert.equal(await text(ask(pool, 'op=small')), '200 small');
    suspended.invocation.cancel();
    await eventually('dropped', () => pool.figures().inFlight === 0);
    await pool.retire(1_000);
  });

  it('that comes with every request is kept', async () => {
    const { pool } = await boundPool();
    const endMs = performance.now() + 3_500;
    while (performance.now() < endMs) {
      assert.equal(await text(ask(pool, 'op=peak&n=20')), '200 peak');
      assert.ok(occupied(pool) >= 20 * MIB);
    }
    await pool.retire(1_000);
  });
});

describe('an image that faults when it should give memory back', () => {
  it('costs what is suspended on it, and nothing else', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'c-handler-'));
    const { pool, events } = await pools.make({}, await new CHandlers(folder).compile('TRIM_CRASHES'));
    assert.equal(await pool.bind(1), null);
    const suspended = ask(pool, '', { path: '/sleep-long' });
    assert.equal(await text(ask(pool, '', { path: '/count' })), '200 1');
    await assertFails(suspended, 'handler_crashed');
    await eventually('the fault is told', () => events.faults.length > 0);
    const [told] = events.faults;
    assert.deepEqual([told?.requestId, told?.fault.kind], [null, 'memory']);
    assert.equal(await text(ask(pool, '', { path: '/count' })), '200 1');
    assert.deepEqual(events.recycles, ['memory']);
    assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
    await rm(folder, { recursive: true });
  });
});
