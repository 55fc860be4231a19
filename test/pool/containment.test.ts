/** Faults of real handlers in a ring pool: what they cost, and what they do not. */
import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { copyFile, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { handlerLibrary } from '../support/handlers.ts';
import { ask, assertFails, LIMITS_FOR_TESTS, text } from './harness.ts';
import { mappedImages, ringPools } from './ring-pools.ts';

const pools = await ringPools();

async function boundPool(limits: Parameters<typeof pools.make>[0] = {}, images = 1) {
  const made = await pools.make(limits);
  assert.equal(await made.pool.bind(images), null);
  return made;
}

describe('faults', () => {
  for (const [op, kind, code] of [
    ['null', 'memory', 'handler_crashed'],
    ['stack', 'stack_overflow', 'handler_crashed'],
    ['abort', 'abort', 'handler_crashed'],
    ['exit&n=3', 'exit', 'handler_crashed'],
    ['gigabyte', 'out_of_memory', 'handler_memory_exceeded'],
  ] as const) {
    it(`answers ${code} for ${kind}, and serves the next request on a fresh image`, async () => {
      const { pool, events } = await boundPool();
      assert.equal(await text(ask(pool, 'op=count')), '200 1');
      const asked = ask(pool, `op=${op}`);
      await assertFails(asked, code);
      assert.equal(await text(ask(pool, 'op=count')), '200 1');
      await eventually('the recycle', () => events.recycles.length === 1);
      assert.deepEqual(events.recycles, [kind]);
      assert.equal(events.faults[0]?.fault.kind, kind);
      assert.equal(events.faults[0]?.requestId, asked.invocation.parts.requestId);
      assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
    });
  }

  it('fails what was suspended on a crashed image, and loses nothing that had not been started', async () => {
    const { pool } = await boundPool();
    const suspended = Array.from({ length: 10 }, () => ask(pool, 'op=forever'));
    await eventually('all started', () => pool.figures().queueLength === 0);
    const crashed = ask(pool, 'op=null');
    const after = Array.from({ length: 10 }, () => ask(pool, 'op=big&n=1'));
    await assertFails(crashed, 'handler_crashed');
    for (const asked of suspended) await assertFails(asked, 'handler_crashed');
    for (const asked of after) assert.equal(await text(asked), '200 x');
    await pool.retire(1_000);
  });

  it('lets what was suspended finish after a panic, on more images than one', async () => {
    const { pool, events } = await boundPool();
    const suspended = [];
    for (let panics = 0; panics < 7; panics++) {
      suspended.push(ask(pool, 'op=sleep&n=100'));
      await eventually('started', () => pool.figures().queueLength === 0);
      await assertFails(ask(pool, 'op=panic'), 'handler_panicked');
    }
    assert.deepEqual(new Set(await Promise.all(suspended.map(text))), new Set(['200 sleep']));
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    await eventually('all recycled', () => events.recycles.length === 7);
    assert.equal((await pool.retire(1_000)).stillMapped, false);
    assert.deepEqual(mappedImages(pools.imagesDir), []);
  });

  it('interrupts a burning call at its deadline, and goes on with a fresh image', async () => {
    const { pool, events } = await boundPool({ timeoutMs: 100 });
    const burning = ask(pool, 'op=loop');
    await assertFails(burning, 'handler_timeout');
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    await eventually('the fault', () => events.faults[0]?.fault.kind === 'interrupted');
    assert.equal((await pool.retire(1_000)).outcome, 'drained');
  });

  it('interrupts a call that burns when the timeout is shortened, at the end of the new one', async () => {
    const { pool, events } = await boundPool({ timeoutMs: 600_000 });
    const burning = ask(pool, 'op=loop');
    await eventually('started', () => pool.figures().queueLength === 0);
    const behind = ask(pool, 'op=count');
    pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 100 });
    await assertFails(burning, 'handler_timeout');
    await assertFails(behind, 'handler_timeout');
    await eventually('the fault', () => events.faults[0]?.fault.kind === 'interrupted');
    assert.equal(await text(ask(pool, 'op=count')), '200 1');
    assert.equal((await pool.retire(1_000)).outcome, 'drained');
  });

  it('lets a call that burns go on when the timeout is shortened and made longer again', async () => {
    const { pool, events } = await boundPool({ timeoutMs: 600_000 });
    const burning = ask(pool, 'op=loop');
    await eventually('started', () => pool.figures().queueLength === 0);
    for (const timeoutMs of [50, 600_000]) pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs });
    pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 600_000, threadsMax: 2 });
    const beside = await pool.bind(1);
    assert.equal(beside, null);
    assert.equal(await text(ask(pool, 'op=sleep&n=100')), '200 sleep');
    assert.deepEqual(events.faults, []);
    assert.equal(burning.outcomes.length, 0);
    assert.equal((await pool.retire(0)).outcome, 'forced');
  });

  it('shortens the time of a request once when it is taken while the timeout changes', async () => {
    const { pool } = await pools.make({ timeoutMs: 600_000 }, await handlerLibrary('burn'));
    assert.equal(await pool.bind(1), null);
    const mark = join(pools.imagesDir, 'begun');
    const burning = ask(pool, `n=300&mark=${mark}`);
    // While it computes: the worker takes the next request right after, before it looks for messages.
    await eventually('it computes', () => existsSync(mark));
    await rm(mark);
    const next = ask(pool, 'n=50');
    pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 100_000 });
    assert.equal(await text(burning), '200 burned');
    assert.equal(await text(next), '200 burned');
    await pool.retire(1_000);
  });

  it('lets a request that is dropped at its deadline take its time, at no cost to those beside it', async () => {
    const { pool, events } = await pools.make({ timeoutMs: 300 }, await handlerLibrary('burn'));
    assert.equal(await pool.bind(1), null);
    const dropped = ask(pool, 'op=drop&ms=60000&n=60');
    await eventually('suspended', () => pool.figures().queueLength === 0);
    const admittedAt = performance.now();
    await eventually('it has waited for a while', () => performance.now() - admittedAt > 150);
    const beside = ask(pool, 'ms=200');
    await assertFails(dropped, 'handler_timeout');
    assert.equal(await text(beside), '200 burned');
    assert.deepEqual(events.faults, []);
    await pool.retire(1_000);
  });

  it('gives the lines that an image writes at its end to no request, and to no other endpoint', async () => {
    const { pool, events } = await pools.make({}, await handlerLibrary('burn'));
    assert.equal(await pool.bind(1), null);
    assert.equal(await text(ask(pool, 'n=0')), '200 burned');
    await pool.retire(1_000);
    const lines = events.lines.map(({ message, requestId }) => ({ message, requestId }));
    assert.deepEqual(lines, [{ message: 'the image ends', requestId: null }]);
  });

  it('answers at the deadline what waits behind a burning call, without starting it', async () => {
    const { pool, events } = await boundPool({ timeoutMs: 20_000 });
    const burning = ask(pool, 'op=loop');
    await eventually('started', () => pool.figures().queueLength === 0);
    const waiting = Array.from({ length: 300 }, () => ask(pool, 'op=panic'));
    pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 100 });
    for (const asked of [burning, ...waiting]) await assertFails(asked, 'handler_timeout');
    await eventually('the burning call is over', () => pool.figures().inFlight === 0);
    assert.equal((await pool.retire(0)).outcome, 'drained');
    assert.deepEqual(
      events.faults.map(({ fault }) => fault.kind),
      ['interrupted'],
    );
  });

  it('takes requests out again whose client left while they waited behind a burning call', async () => {
    const { pool, events } = await boundPool({ timeoutMs: 300, queueMax: 3 });
    const burning = ask(pool, 'op=loop');
    await eventually('started', () => pool.figures().queueLength === 0);
    for (let round = 0; round < 400; round++) {
      const waiting = [ask(pool, 'op=panic'), ask(pool, 'op=panic'), ask(pool, 'op=panic')];
      for (const { invocation } of waiting) invocation.cancel();
    }
    assert.equal(pool.figures().inFlight, 1);
    await assertFails(burning, 'handler_timeout');
    assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
    assert.equal(events.faults.filter(({ fault }) => fault.kind === 'panic').length, 0);
    await pool.retire(1_000);
  });

  it('gives the lines a faulty request printed its request id', async () => {
    const { pool, events } = await boundPool();
    const asked = [ask(pool, 'op=print&n=2'), ask(pool, 'op=print&n=2')];
    await Promise.all(asked.map(text));
    for (const { invocation } of asked) {
      const { requestId } = invocation.parts;
      await eventually('its lines', () => events.lines.filter(line => line.requestId === requestId).length >= 3);
    }
    await pool.retire(1_000);
  });
});

describe('a call that nothing can end', () => {
  /** A pool with a call that holds out until `release`, and that has cost its request its time. */
  async function poolWithStuckCall() {
    const { pool, events } = await pools.make({ timeoutMs: 100 }, await handlerLibrary('deaf'));
    assert.equal(await pool.bind(1), null);
    const until = join(await mkdtemp(join(pools.imagesDir, 'stuck-')), 'until');
    const release = async (): Promise<void> => writeFile(until, '');
    await assertFails(ask(pool, `until=${until}`), 'handler_timeout');
    return { pool, events, release, [Symbol.asyncDispose]: release };
  }

  it('has its worker replaced, and may come back', async () => {
    await using stuck = await poolWithStuckCall();
    const { pool, events, release } = stuck;
    await eventually('it is given up', () => events.suspicions.length === 1, 30_000);
    assert.deepEqual(events.suspicions, ['a call cannot be ended']);
    pool.setLimits(LIMITS_FOR_TESTS);
    assert.equal(await text(ask(pool, '')), '200 heard');
    const { threads, images, inFlight } = pool.figures();
    assert.deepEqual([threads, images, inFlight], [2, 1, 0]);
    await release();
    await eventually('it has come back, and ended', () => pool.figures().threads === 1);
    const answers = await Promise.all(Array.from({ length: 300 }, () => text(ask(pool, ''))));
    assert.deepEqual(new Set(answers), new Set(['200 heard']));
    assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: true });
    assert.deepEqual(events.bindFailures, []);
  });

  it('holds up a drain no longer than it takes to know it', async () => {
    await using stuck = await poolWithStuckCall();
    const { pool, events } = stuck;
    assert.deepEqual(await pool.retire(600_000), { outcome: 'drained', stillMapped: true });
    assert.deepEqual(events.suspicions, ['a call cannot be ended']);
  });
});

describe('an artifact that is lost', () => {
  it('ends the pool when a fresh image is needed, and refuses what waits for one', async () => {
    const artifact = join(pools.imagesDir, 'libhandler_lost.so');
    await copyFile(await handlerLibrary('kit'), artifact);
    const { pool, events } = await pools.make({}, artifact);
    assert.equal(await pool.bind(1), null);
    await rm(artifact);
    const crashed = ask(pool, 'op=null');
    const waiting = [ask(pool, 'op=big&n=1'), ask(pool, 'op=echo', { body: Buffer.alloc(1 << 20) })];
    await assertFails(crashed, 'handler_crashed');
    for (const asked of waiting) await assertFails(asked, 'endpoint_not_loaded');
    await assertFails(ask(pool, 'op=big&n=1'), 'endpoint_not_loaded');
    assert.deepEqual(
      events.bindFailures.map(({ code }) => code),
      ['copy_failed'],
    );
    assert.equal(pool.figures().images, 0);
    assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
  });
});

describe('requests too large for the ring', () => {
  const large = { body: Buffer.alloc(1 << 20, 'x') };

  it('are dropped when their client leaves, wherever their frame is', async () => {
    const { pool } = await boundPool();
    const asked = Array.from({ length: 30 }, () => ask(pool, 'op=sleep&n=20', large));
    for (const [index, { invocation }] of asked.entries()) {
      if (index % 3 === 0) invocation.cancel();
      else if (index % 3 === 1) setImmediate(() => invocation.cancel());
    }
    for (const [index, each] of asked.entries()) if (index % 3 === 2) assert.equal(await text(each), '200 sleep');
    await eventually('none in flight', () => pool.figures().inFlight === 0);
    await pool.retire(1_000);
  });

  it('are forced out like any other', async () => {
    const { pool } = await boundPool({ inFlightMax: 5 });
    const asked = Array.from({ length: 10 }, () => ask(pool, 'op=forever', large));
    assert.deepEqual(await pool.retire(0), { outcome: 'forced', stillMapped: false });
    for (const each of asked) await assertFails(each, 'handler_drain_forced');
  });
});

describe('the end of a pool', () => {
  it('interrupts what burns when it is forced out', async () => {
    const { pool } = await boundPool({ threadsMax: 2 }, 2);
    const burning = [ask(pool, 'op=loop'), ask(pool, 'op=pause')];
    await eventually('both started', () => pool.figures().queueLength === 0);
    const sleeping = ask(pool, 'op=forever');
    const start = performance.now();
    assert.deepEqual(await pool.retire(50), { outcome: 'forced', stillMapped: false });
    assert.ok(performance.now() - start < 5_000);
    for (const asked of [...burning, sleeping]) await assertFails(asked, 'handler_drain_forced');
    assert.deepEqual(mappedImages(pools.imagesDir), []);
  });

  it('runs no destructor twice, and survives one that faults', async () => {
    const { pool } = await boundPool();
    assert.equal(await text(ask(pool, 'op=bad_destructor')), '204 ');
    assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
  });

  it('leaves no image mapped and no file behind, whatever happened before', async () => {
    const { pool } = await boundPool();
    for (const op of ['work&n=3', 'thread_name', 'panic', 'null', 'work&n=1', 'sleep&n=5']) {
      await ask(pool, `op=${op}`).outcome;
    }
    assert.equal((await pool.retire(1_000)).stillMapped, false);
    assert.deepEqual(mappedImages(pools.imagesDir), []);
    assert.equal(pools.factory.figures().librariesMapped, 0);
  });
});
