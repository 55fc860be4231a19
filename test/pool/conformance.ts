/** What every HandlerPool has to do, whatever stands behind it. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { HandlerPool, PoolLimits } from '../../src/pool/handler-pool.ts';
import { eventually } from '../support/eventually.ts';
import type { RecordedEvents } from '../support/pool-events.ts';
import { ask, assertFails, LIMITS_FOR_TESTS, replyOf, text } from './harness.ts';

export interface PoolUnderTest {
  readonly pool: HandlerPool;
  readonly events: RecordedEvents;
}

/** Makes a pool of the kit handler, or of one that cannot be bound; nothing is bound yet. */
export type PoolMaker = (limits: PoolLimits, handler: 'kit' | 'missing') => Promise<PoolUnderTest>;

export function conformance(name: string, make: PoolMaker): void {
  async function withPool(
    limits: Partial<PoolLimits>,
    use: (pool: HandlerPool, events: RecordedEvents) => Promise<void>,
  ): Promise<void> {
    const { pool, events } = await make({ ...LIMITS_FOR_TESTS, ...limits }, 'kit');
    assert.equal(await pool.bind(1), null);
    try {
      await use(pool, events);
    } finally {
      await pool.retire(0);
    }
  }

  describe(`${name}: requests and replies`, () => {
    it('answers a request with what the handler replied', () =>
      withPool({}, async pool => {
        const body = Buffer.from('\0binary \u00ff body', 'latin1');
        const rawHeaders = ['content-type', 'application/x-test'];
        const reply = await replyOf(ask(pool, 'op=echo', { rawHeaders, body }));
        assert.equal(reply.status, 200);
        assert.deepEqual(reply.headers, ['content-type', 'application/x-test']);
        assert.deepEqual(reply.body, body);
      }));

    it('gives the handler every part of the request', () =>
      withPool({}, async pool => {
        const params = ['id', '42'];
        const rawHeaders = ['host', 'a.example', 'x-one', '1'];
        const asked = ask(pool, 'op=request&a=b', { params, rawHeaders, clientIp: '10.1.2.3', method: 'PUT' });
        const seen = (await replyOf(asked)).body.toString();
        for (const part of ['PUT', '/kit', '42', 'a.example', '10.1.2.3', asked.invocation.parts.requestId]) {
          assert.ok(seen.includes(part), `${part} is not in ${seen}`);
        }
      }));

    it('carries a body of 1 MiB there and back', () =>
      withPool({}, async pool => {
        const body = Buffer.alloc(1 << 20, 'abcdefg');
        const reply = await replyOf(ask(pool, 'op=echo', { body, rawHeaders: ['content-type', 'text/plain'] }));
        assert.ok(reply.body.equals(body));
      }));

    it('carries a reply of 3 MiB', () =>
      withPool({}, async pool => {
        const reply = await replyOf(ask(pool, `op=big&n=${3 << 20}`));
        assert.equal(reply.body.length, 3 << 20);
      }));

    it('answers many requests at once, each with its own answer', () =>
      withPool({ queueMax: 10_000 }, async pool => {
        const bodies = Array.from({ length: 2_000 }, (_, index) => `body ${index} ${'z'.repeat(index % 97)}`);
        const answers = bodies.map(body => text(ask(pool, 'op=echo', { body: Buffer.from(body) })));
        assert.deepEqual(
          await Promise.all(answers),
          bodies.map(body => `200 ${body}`),
        );
      }));

    it('serves others while requests wait inside their handler', () =>
      withPool({}, async pool => {
        const sleepers = Array.from({ length: 1_000 }, () => ask(pool, 'op=sleep&n=50'));
        assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
        const answers = await Promise.all(sleepers.map(text));
        assert.deepEqual(new Set(answers), new Set(['200 sleep']));
      }));

    it('gives log lines the id of the request that wrote them', () =>
      withPool({}, async (pool, events) => {
        const asked = [ask(pool, 'op=log'), ask(pool, 'op=log')];
        await Promise.all(asked.map(replyOf));
        for (const { invocation } of asked) {
          const { requestId } = invocation.parts;
          await eventually('its line', () => events.lines.some(line => line.requestId === requestId));
        }
        assert.ok(events.lines.some(line => line.message === 'an error'));
      }));
  });

  describe(`${name}: faults`, () => {
    it('fails only the request that panicked, and goes on', () =>
      withPool({}, async (pool, events) => {
        const sleeper = ask(pool, 'op=sleep&n=100');
        const panicked = ask(pool, 'op=panic&n=7');
        await assertFails(panicked, 'handler_panicked');
        assert.equal(await text(ask(pool, 'op=big&n=2')), '200 xx');
        assert.equal(await text(sleeper), '200 sleep');
        assert.equal(events.faults.length, 1);
        assert.equal(events.faults[0]?.requestId, panicked.invocation.parts.requestId);
        assert.equal(events.faults[0]?.fault.kind, 'panic');
        assert.match(events.faults[0]?.fault.message ?? '', /boom 7/);
        await eventually('a recycle', () => events.recycles.includes('panic'));
      }));

    it('fails a request that panics after it has waited', () =>
      withPool({}, async pool => {
        const other = ask(pool, 'op=sleep&n=60');
        await assertFails(ask(pool, 'op=panic_later&n=20'), 'handler_panicked');
        assert.equal(await text(other), '200 sleep');
      }));
  });

  describe(`${name}: limits`, () => {
    it('answers handler_timeout at the deadline, and drops the request', () =>
      withPool({ timeoutMs: 60 }, async pool => {
        const start = performance.now();
        await assertFails(ask(pool, 'op=forever'), 'handler_timeout');
        const took = performance.now() - start;
        assert.ok(took >= 55 && took < 5_000, `answered after ${took} ms`);
        await eventually('nothing in flight', () => pool.figures().inFlight === 0);
        assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
      }));

    it('moves the deadline of requests under way with the timeout', () =>
      withPool({ timeoutMs: 60_000 }, async pool => {
        const asked = ask(pool, 'op=forever');
        pool.setLimits({ ...LIMITS_FOR_TESTS, timeoutMs: 30 });
        await assertFails(asked, 'handler_timeout');
      }));

    it('starts no more requests than inFlightMax, and the rest after', () =>
      withPool({ inFlightMax: 2 }, async pool => {
        const asked = Array.from({ length: 6 }, () => ask(pool, 'op=sleep&n=20'));
        assert.equal(pool.figures().inFlight, 6);
        assert.ok(pool.figures().queueLength >= 4);
        assert.deepEqual(new Set(await Promise.all(asked.map(text))), new Set(['200 sleep']));
      }));

    it('refuses with queue_full past queueMax, and only then', () =>
      withPool({ inFlightMax: 1, queueMax: 2 }, async pool => {
        const started = ask(pool, 'op=forever');
        await eventually('started', () => pool.figures().queueLength === 0);
        const waiting = [ask(pool, 'op=big&n=1'), ask(pool, 'op=big&n=2')];
        await assertFails(ask(pool, 'op=big&n=3'), 'queue_full');
        started.invocation.cancel();
        assert.deepEqual(await Promise.all(waiting.map(text)), ['200 x', '200 xx']);
      }));
  });

  describe(`${name}: clients that leave`, () => {
    it('never starts a request whose client left before', () =>
      withPool({ inFlightMax: 1 }, async pool => {
        const first = ask(pool, 'op=forever');
        const second = ask(pool, 'op=panic');
        second.invocation.cancel();
        await eventually('one in flight', () => pool.figures().inFlight === 1);
        first.invocation.cancel();
        await eventually('none in flight', () => pool.figures().inFlight === 0);
        assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
        assert.deepEqual([...first.outcomes, ...second.outcomes], []);
      }));

    it('drops a waiting request whose client left, and says when none is left', () =>
      withPool({}, async (pool, events) => {
        const asked = ask(pool, 'op=forever');
        await eventually('started', () => pool.figures().queueLength === 0);
        asked.invocation.cancel();
        await eventually('idle', () => events.idles === 1);
        assert.equal(pool.figures().inFlight, 0);
        assert.deepEqual(asked.outcomes, []);
      }));
  });

  describe(`${name}: beginning and end`, () => {
    it('lets requests wait for the first image', async () => {
      const { pool, events } = await make(LIMITS_FOR_TESTS, 'kit');
      const early = ask(pool, 'op=big&n=1');
      assert.equal(await pool.bind(1), null);
      assert.equal(await text(early), '200 x');
      assert.deepEqual(events.binds, { started: 1, ended: 1 });
      await pool.retire(1_000);
    });

    it('says why no image could be bound, and refuses what waited for one', async () => {
      const { pool } = await make(LIMITS_FOR_TESTS, 'missing');
      const early = ask(pool, 'op=big&n=1');
      const failure = await pool.bind(1);
      assert.equal(failure?.code, 'copy_failed');
      await assertFails(early, 'endpoint_not_loaded');
      await assertFails(ask(pool, 'op=big&n=1'), 'endpoint_not_loaded');
      assert.equal((await pool.retire(1_000)).outcome, 'drained');
    });

    it('refuses what waits for an image when it retires for want of one', async () => {
      const { pool } = await make(LIMITS_FOR_TESTS, 'missing');
      const early = Array.from({ length: 3 }, () => ask(pool, 'op=big&n=1'));
      assert.notEqual(await pool.bind(1), null);
      const retired = pool.retire(0, 'endpoint_not_loaded');
      for (const asked of early) await assertFails(asked, 'endpoint_not_loaded');
      assert.equal((await retired).stillMapped, false);
    });

    it('refuses what waits when it is told to, and goes on with what was started', () =>
      withPool({ inFlightMax: 1 }, async pool => {
        const started = ask(pool, 'op=sleep&n=50');
        await eventually('started', () => pool.figures().queueLength === 0);
        const waiting = Array.from({ length: 300 }, () => ask(pool, 'op=panic'));
        pool.failWaiting('endpoint_not_loaded');
        for (const asked of waiting) await assertFails(asked, 'endpoint_not_loaded');
        assert.equal(await text(started), '200 sleep');
        assert.equal(await text(ask(pool, 'op=big&n=1')), '200 x');
      }));

    it('finishes what it has before it retires', async () => {
      const { pool } = await make(LIMITS_FOR_TESTS, 'kit');
      await pool.bind(1);
      const asked = Array.from({ length: 20 }, () => ask(pool, 'op=sleep&n=50'));
      const retired = pool.retire(10_000);
      await assertFails(ask(pool, 'op=big&n=1'), 'endpoint_not_loaded');
      assert.deepEqual(await retired, { outcome: 'drained', stillMapped: false });
      assert.deepEqual(new Set(await Promise.all(asked.map(text))), new Set(['200 sleep']));
      assert.equal(pool.figures().inFlight, 0);
      assert.equal(pool.figures().images, 0);
    });

    it('may be given less time while it retires', async () => {
      const { pool } = await make(LIMITS_FOR_TESTS, 'kit');
      await pool.bind(1);
      const asked = ask(pool, 'op=forever');
      await eventually('started', () => pool.figures().queueLength === 0);
      const retired = pool.retire(1_000_000);
      assert.equal(pool.retire(40), retired);
      assert.deepEqual(await retired, { outcome: 'forced', stillMapped: false });
      await assertFails(asked, 'handler_drain_forced');
    });

    it('forces out what is still there at the drain timeout', async () => {
      const { pool } = await make({ ...LIMITS_FOR_TESTS, inFlightMax: 2 }, 'kit');
      await pool.bind(1);
      const asked = Array.from({ length: 4 }, () => ask(pool, 'op=forever'));
      assert.deepEqual(await pool.retire(40), { outcome: 'forced', stillMapped: false });
      assert.deepEqual(new Set(await Promise.all(asked.map(text))), new Set(['handler_drain_forced']));
      assert.deepEqual(new Set(asked.map(({ outcomes }) => outcomes.length)), new Set([1]));
    });
  });
}
