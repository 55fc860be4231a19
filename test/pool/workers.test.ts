/** The threads behind ring pools: how many, which, and what happens when one dies. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { readdir, writeFile } from 'node:fs/promises';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import { LIMITS } from '../../src/config.ts';
import { eventually } from '../support/eventually.ts';
import { ask, assertFails, text } from './harness.ts';
import { ringPools } from './ring-pools.ts';

const threads = new Set<Worker>();
process.on('worker', (worker: Worker) => {
  threads.add(worker);
  worker.once('exit', () => threads.delete(worker));
});

// The loader of the tests may have threads of its own.
const threadsBefore = new Set(await readdir('/proc/self/task'));
const pools = await ringPools();

describe('binding', () => {
  it('says copy_failed for a missing library and open_failed for one that is none, and leaves no file', async () => {
    const wrong = join(pools.imagesDir, 'not-a-library');
    await writeFile(wrong, 'this is not a library');
    for (const [path, code] of [
      ['/nowhere/libhandler_kit.so', 'copy_failed'],
      [wrong, 'open_failed'],
    ] as const) {
      const { pool } = await pools.make({}, path);
      const failure = await pool.bind(2);
      assert.equal(failure?.code, code);
      assert.ok((failure?.message ?? '').length > 0);
      await pool.retire(0);
    }
    assert.deepEqual(await readdir(pools.imagesDir), ['not-a-library']);
  });
});

describe('threads', () => {
  it('let the main thread go first, from their birth on', async () => {
    const { pool } = await pools.make();
    await pool.bind(3);
    const isWorker = (id: string): boolean =>
      readFileSync(`/proc/self/task/${id}/comm`, 'utf8').trim() === 'WorkerThread';
    const workers = (await readdir('/proc/self/task')).filter(id => !threadsBefore.has(id) && isWorker(id));
    assert.ok(workers.length >= 3);
    const niceness = Math.min(19, getPriority() + LIMITS.workNiceness);
    assert.deepEqual(new Set(workers.map(id => getPriority(Number(id)))), new Set([niceness]));
    assert.ok(getPriority(process.pid) < niceness, 'the main thread stays as it was');
    await pool.retire(1_000);
  });

  it('are used again by later generations', async () => {
    const before = await served();
    for (let generation = 0; generation < 20; generation++) await served();
    const after = [...threads].map(thread => thread.threadId);
    assert.ok(before.some(id => after.includes(id)));
    assert.ok(after.length <= before.length + 1, `${before.length} threads became ${after.length}`);

    async function served(): Promise<number[]> {
      const { pool } = await pools.make();
      assert.equal(await pool.bind(1), null);
      assert.equal(await text(ask(pool, 'op=count')), '200 1');
      await pool.retire(1_000);
      return [...threads].map(thread => thread.threadId);
    }
  });

  it('are added while requests wait and every worker is busy, as many as allowed', async () => {
    const { pool, events } = await pools.make({ threadsMax: 3, timeoutMs: 4_000 });
    await pool.bind(1);
    const burning = [ask(pool, 'op=loop'), ask(pool, 'op=loop'), ask(pool, 'op=loop')];
    await eventually('three images', () => pool.figures().images === 3 && pool.figures().queueLength === 0);
    assert.ok(events.growthAsked >= 2);
    ask(pool, 'op=loop');
    assert.equal(pool.figures().threads, 3);
    assert.equal((await pool.retire(0)).outcome, 'forced');
    await Promise.all(burning.map(asked => assertFails(asked, 'handler_drain_forced')));
  });

  it('are not added when the owner says no', async () => {
    const { pool, events } = await pools.make({ threadsMax: 3, timeoutMs: 200 });
    events.growthAllowed = false;
    await pool.bind(1);
    const burning = [ask(pool, 'op=loop'), ask(pool, 'op=loop')];
    for (const asked of burning) await assertFails(asked, 'handler_timeout');
    assert.ok(events.growthAsked > 0);
    assert.equal(pool.figures().images, 1);
    await pool.retire(1_000);
  });

  it('are let go by shrinkTo, idle ones first, and no request with them', async () => {
    const { pool, events } = await pools.make({ threadsMax: 3 });
    events.growthAllowed = false;
    await pool.bind(3);
    assert.equal(pool.figures().images, 3);
    const sleeping = Array.from({ length: 30 }, () => ask(pool, 'op=sleep&n=50'));
    pool.shrinkTo(1);
    assert.deepEqual(new Set(await Promise.all(sleeping.map(text))), new Set(['200 sleep']));
    await eventually('one thread', () => pool.figures().threads === 1 && pool.figures().images === 1);
    assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
    await pool.retire(1_000);
  });

  it('share the requests of one pool', async () => {
    const { pool } = await pools.make({ threadsMax: 2, timeoutMs: 300 });
    await pool.bind(2);
    const burning = ask(pool, 'op=loop');
    await eventually('started', () => pool.figures().queueLength === 0);
    for (let index = 0; index < 50; index++) assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
    assert.deepEqual(burning.outcomes, []);
    await assertFails(burning, 'handler_timeout');
    await pool.retire(1_000);
  });
});

describe('a thread that dies', () => {
  it('costs the requests it had, is replaced, and has the process replaced', async () => {
    // None in standby: a thread that is still loading koffi must not be terminated.
    const { make } = await ringPools({ standbyPools: 0 });
    const known = new Set(threads);
    const { pool, events } = await make();
    await pool.bind(1);
    const lost = [ask(pool, 'op=forever'), ask(pool, 'op=forever')];
    await eventually('started', () => pool.figures().queueLength === 0);
    const victims = [...threads].filter(thread => !known.has(thread));
    assert.equal(victims.length, 1);
    await Promise.all(victims.map(thread => thread.terminate()));
    for (const asked of lost) await assertFails(asked, 'handler_crashed');
    assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
    await eventually('the replacement', () => events.recycles.includes('worker_died'));
    assert.equal(events.suspicions.length, 1);
    assert.equal((await pool.retire(1_000)).stillMapped, true);
  });
});

describe('a thread that cannot start', () => {
  it('fails its bind, though Piscina lets its task wait for ever, and goes with the pool; the next one serves', async () => {
    const { make } = await ringPools({ standbyPools: 0 });
    let started = 0;
    const endSecond = (thread: Worker): void => {
      started += 1;
      if (started === 2) void thread.terminate();
    };
    process.on('worker', endSecond);
    const { pool } = await make();
    const failure = await pool.bind(2);
    process.off('worker', endSecond);
    assert.deepEqual(failure, { code: 'worker_failed', message: 'A thread could not start.' });
    await pool.retire(0);
    const { pool: next } = await make();
    assert.equal(await next.bind(1), null);
    assert.equal(await text(ask(next, 'op=big&n=1')), '200 x');
    await next.retire(1_000);
  });
});
