/** Everything at once, chosen by a seed: every request gets one outcome, and nothing is left. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { ask, LIMITS_FOR_TESTS, textOf, type Asked } from './harness.ts';
import { mappedImages, ringPools } from './ring-pools.ts';

const REQUESTS = 3_000;
const CLIENTS = 48;
const TIMEOUT_MS = 200;

/** What a request may end as; a request on an image that another one crashes may also end as `handler_crashed`. */
const OPERATIONS: readonly (readonly [query: string, weight: number, outcomes: RegExp])[] = [
  ['op=big&n=10', 40, /^200 x{10}$/],
  ['op=echo', 10, /^200 a body$/],
  ['op=big&n=300000', 2, /^200 x{300000}$/],
  ['op=sleep&n=1', 15, /^200 sleep$/],
  ['op=sleep&n=15', 15, /^200 sleep$/],
  ['op=panic', 5, /^handler_panicked$/],
  ['op=panic_later&n=5', 5, /^handler_panicked$/],
  ['op=null_later&n=5', 1, /^handler_crashed$/],
  ['op=push', 0.1, /^handler_memory_exceeded$/],
  ['op=forever', 1, /^handler_timeout$/],
  ['op=loop', 0.1, /^handler_timeout$/],
];
/** Fates of requests that share a worker with a crash, a full heap or a burning call. */
const SHARED_FATE = /^(handler_crashed|handler_memory_exceeded|handler_timeout)$/;

function seeded(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}

const random = seeded(20_261_122);
const pools = await ringPools();
const eventLoopTurn = (): Promise<void> => new Promise(resolve => setImmediate(resolve));

function pick(): readonly [string, RegExp] {
  const total = OPERATIONS.reduce((sum, [, weight]) => sum + weight, 0);
  let at = random() * total;
  for (const [query, weight, outcomes] of OPERATIONS) {
    at -= weight;
    if (at < 0) return [query, outcomes];
  }
  return ['op=big&n=10', /^200/];
}

it(`gives each of ${REQUESTS} requests its one outcome, whatever the others do`, async () => {
  const limits = { ...LIMITS_FOR_TESTS, timeoutMs: TIMEOUT_MS, threadsMax: 3, queueMax: 10_000 };
  const { pool, events } = await pools.make(limits);
  assert.equal(await pool.bind(2), null);
  const asked: { readonly request: Asked; readonly query: string; readonly expected: RegExp }[] = [];
  await Promise.all(Array.from({ length: CLIENTS }, client));

  async function client(): Promise<void> {
    while (asked.length < REQUESTS) {
      const [query, expected] = pick();
      const body = query === 'op=echo' ? Buffer.from('a body') : Buffer.alloc(random() < 0.02 ? 20_000 : 6);
      const request = ask(pool, query, { body });
      asked.push({ request, query, expected });
      if (random() < 0.01) pool.shrinkTo(1 + Math.floor(random() * 3));
      const fate = random();
      if (fate < 0.06) {
        if (fate < 0.03) await eventLoopTurn();
        request.invocation.cancel();
      } else {
        await request.outcome;
      }
    }
  }

  await eventually('nothing in flight', () => pool.figures().inFlight === 0, 60_000);
  for (const { request, query, expected } of asked) {
    const outcomes = request.outcomes.map(textOf);
    assert.ok(outcomes.length <= 1, `${query} ended ${outcomes.length} times`);
    for (const outcome of outcomes) {
      assert.ok(expected.test(outcome) || SHARED_FATE.test(outcome), `${query} ended as ${outcome.slice(0, 40)}`);
    }
  }
  const settled = asked.filter(({ request }) => request.outcomes.length === 1).length;
  assert.ok(settled > REQUESTS * 0.9, `only ${settled} were settled`);
  const replies = asked.filter(({ request }) => request.outcomes[0]?.kind === 'reply').length;
  assert.ok(replies > REQUESTS / 4, `only ${replies} were answered`);
  assert.equal(events.bindFailures.length, 0);
  assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
  assert.deepEqual(mappedImages(pools.imagesDir), []);
});
