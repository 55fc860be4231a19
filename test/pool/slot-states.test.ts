/**
 * A request in every state that its slot can have (the picture is in src/protocol/ring.ts), and then its time runs out, its
 * worker's thread is killed, or its client leaves. `THREAD_KILLS=1000` is the long run.
 */
import assert from 'node:assert/strict';
import process from 'node:process';
import { describe, it } from 'node:test';
import type { Worker } from 'node:worker_threads';
import type { HandlerPool } from '../../src/pool/handler-pool.ts';
import { eventually } from '../support/eventually.ts';
import { ask, text, textOf, type Asked } from './harness.ts';
import { ringPools } from './ring-pools.ts';

const THREAD_KILLS = Number(process.env['THREAD_KILLS'] ?? 25);
const TIMEOUT_MS = 250;
/** A body that fits into no slot: its frame needs an annex. */
const LARGE = { body: Buffer.alloc(20_000, 'x') };
/** One that fits into no annex either: its frame goes over the port. */
const HUGE = { body: Buffer.alloc(200_000, 'x') };

// None in standby: a thread that is still loading koffi must not be terminated.
const pools = await ringPools({ standbyPools: 0 });
const threads = new Set<Worker>();
process.on('worker', (thread: Worker) => {
  threads.add(thread);
  thread.once('exit', () => threads.delete(thread));
});

const isWaiting = (pool: HandlerPool): Promise<unknown> =>
  eventually('a request waits', () => pool.figures().queueLength === 1);
const isTaken = (pool: HandlerPool): Promise<unknown> =>
  eventually('no request waits', () => pool.figures().queueLength === 0);

/** Holds the main thread up, so that it reads no reply meanwhile. */
function block(milliseconds: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, milliseconds);
}

interface SlotState {
  readonly name: string;
  /** Brings a request into the state. */
  readonly bring: (pool: HandlerPool) => Promise<Asked>;
  readonly timedOut: RegExp;
  readonly killed: RegExp;
}

const behindBurning = async (pool: HandlerPool, others = {}): Promise<Asked> => {
  void ask(pool, 'op=loop');
  await isTaken(pool);
  const asked = ask(pool, 'op=big&n=1', others);
  await isWaiting(pool);
  return asked;
};

const STATES: readonly SlotState[] = [
  {
    name: 'waiting in its slot',
    bring: pool => behindBurning(pool),
    // The burning call ends a moment before its time is up, too.
    timedOut: /^(200 x|handler_timeout)$/,
    killed: /^(200 x|handler_timeout)$/,
  },
  {
    name: 'waiting with its frame in an annex',
    bring: pool => behindBurning(pool, LARGE),
    timedOut: /^(200 x|handler_timeout)$/,
    killed: /^(200 x|handler_timeout)$/,
  },
  {
    name: 'waiting with a frame that does not fit',
    bring: pool => behindBurning(pool, HUGE),
    timedOut: /^(200 x|handler_timeout)$/,
    killed: /^(200 x|handler_timeout)$/,
  },
  {
    name: 'claimed and running',
    async bring(pool) {
      const asked = ask(pool, 'op=loop');
      await isTaken(pool);
      return asked;
    },
    timedOut: /^handler_timeout$/,
    killed: /^(handler_crashed|handler_timeout)$/,
  },
  {
    name: 'claimed, its frame asked for',
    async bring(pool) {
      const asked = ask(pool, 'op=forever', HUGE);
      // The worker claims it; what it asks for is not read before the event loop turns.
      await new Promise(resolve => setImmediate(resolve));
      block(20);
      return asked;
    },
    timedOut: /^handler_timeout$/,
    killed: /^handler_crashed$/,
  },
  {
    name: 'suspended, its annex free again',
    async bring(pool) {
      const asked = ask(pool, 'op=forever', LARGE);
      await isTaken(pool);
      return asked;
    },
    timedOut: /^handler_timeout$/,
    killed: /^handler_crashed$/,
  },
  {
    name: 'suspended, its slot free again',
    async bring(pool) {
      const asked = ask(pool, 'op=forever');
      await isTaken(pool);
      return asked;
    },
    timedOut: /^handler_timeout$/,
    killed: /^handler_crashed$/,
  },
  {
    name: 'answered, its reply not read',
    async bring(pool) {
      const asked = ask(pool, 'op=big&n=1');
      await new Promise(resolve => setImmediate(resolve));
      block(20);
      return asked;
    },
    timedOut: /^200 x$/,
    killed: /^200 x$/,
  },
];

interface PoolOfOne {
  readonly pool: HandlerPool;
  /** Kills a thread: the worker's, or one that Piscina has beside it after another was killed. */
  readonly kill: () => Promise<void>;
}

async function poolOfOne(): Promise<PoolOfOne> {
  const known = new Set(threads);
  const { pool } = await pools.make({ timeoutMs: TIMEOUT_MS });
  assert.equal(await pool.bind(1), null);
  let killed = 0;
  const kill = async (): Promise<void> => {
    const own = [...threads].filter(thread => !known.has(thread));
    const victim = own[killed++ % own.length];
    assert.ok(victim !== undefined);
    await victim.terminate();
  };
  return { pool, kill };
}

async function assertServesAndEnds(pool: HandlerPool): Promise<void> {
  await eventually('an answer', async () => (await text(ask(pool, 'op=big&n=2'))) === '200 xx');
  await eventually('nothing is in flight', () => pool.figures().inFlight === 0);
  assert.equal((await pool.retire(5_000)).outcome, 'drained');
}

function assertOneOutcome(asked: Asked, expected: RegExp): void {
  assert.equal(asked.outcomes.length, 1);
  for (const outcome of asked.outcomes) assert.match(textOf(outcome), expected);
}

for (const { name, bring, timedOut, killed } of STATES) {
  describe(`a request that is ${name}`, () => {
    it('ends once when its time runs out, and its slot serves again', async () => {
      const { pool } = await poolOfOne();
      const asked = await bring(pool);
      await asked.outcome;
      await assertServesAndEnds(pool);
      assertOneOutcome(asked, timedOut);
    });

    it('ends once when the thread of its worker is killed, and the next worker serves', async () => {
      const { pool, kill } = await poolOfOne();
      const asked = await bring(pool);
      await kill();
      await asked.outcome;
      await assertServesAndEnds(pool);
      assertOneOutcome(asked, killed);
    });

    it('leaves nothing behind when its client leaves, and its slot serves again', async () => {
      const { pool } = await poolOfOne();
      const asked = await bring(pool);
      asked.invocation.cancel();
      await assertServesAndEnds(pool);
      assert.deepEqual(asked.outcomes, []);
    });
  });
}

it('a request that was taken back before a worker came by is in nobody’s way, also when that worker is killed', async () => {
  const { pool, kill } = await poolOfOne();
  const taken = await behindBurning(pool);
  taken.invocation.cancel();
  const behind = ask(pool, 'op=big&n=1');
  await kill();
  assert.match(await text(behind), /^(200 x|handler_timeout)$/);
  await assertServesAndEnds(pool);
  assert.deepEqual(taken.outcomes, []);
});

it(`${THREAD_KILLS} threads that are killed at any moment cost only what they had`, async () => {
  const { pool, kill } = await poolOfOne();
  const queries = ['op=big&n=1', 'op=sleep&n=1', 'op=big&n=300000', 'op=forever'];
  for (let killed = 0; killed < THREAD_KILLS; killed += 1) {
    const asked = queries.flatMap(query => [ask(pool, query), ask(pool, query, LARGE), ask(pool, query, HUGE)]);
    for (let turns = killed % 6; turns > 0; turns -= 1) await new Promise(resolve => setImmediate(resolve));
    await kill();
    await Promise.all(asked.map(({ outcome }) => outcome));
    for (const one of asked) assertOneOutcome(one, /^(200 (x+|sleep)|handler_crashed|handler_timeout)$/);
    await eventually('an answer', async () => (await text(ask(pool, 'op=big&n=2'))) === '200 xx');
  }
  await assertServesAndEnds(pool);
});
