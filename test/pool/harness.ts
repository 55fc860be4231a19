import assert from 'node:assert/strict';
import type { RequestParts } from '../../src/protocol/frame.ts';
import type { Failure, HandlerPool, Invocation, Outcome, PoolLimits } from '../../src/pool/handler-pool.ts';

export const LIMITS_FOR_TESTS: PoolLimits = { timeoutMs: 30_000, threadsMax: 1, queueMax: 1_024, inFlightMax: 10_000 };

let requests = 0;

/** A request for the kit handler: the query says what it should do. */
export function partsOf(query: string, others: Partial<RequestParts> = {}): RequestParts {
  requests += 1;
  return {
    method: 'POST',
    path: '/kit',
    query,
    requestId: `request-${requests}`,
    clientIp: '127.0.0.1',
    rawHeaders: ['host', 'localhost', 'accept', '*/*'],
    params: [],
    body: null,
    ...others,
  };
}

export interface Asked {
  readonly invocation: Invocation;
  readonly outcome: Promise<Outcome>;
  /** Outcomes given so far: more than one is a fault of the pool. */
  readonly outcomes: readonly Outcome[];
}

export function ask(pool: HandlerPool, query: string, others: Partial<RequestParts> = {}): Asked {
  const outcomes: Outcome[] = [];
  const { promise, resolve } = Promise.withResolvers<Outcome>();
  const invocation = pool.invoke(partsOf(query, others), outcome => {
    outcomes.push(outcome);
    resolve(outcome);
  });
  return { invocation, outcome: promise, outcomes };
}

/** Status and body of a reply; the failure's code else. */
export function textOf(outcome: Outcome): string {
  if (outcome.kind === 'failure') return outcome.code;
  return `${outcome.reply.status} ${outcome.reply.body.toString()}`;
}

export async function text(asked: Asked): Promise<string> {
  return textOf(await asked.outcome);
}

export async function replyOf(asked: Asked) {
  const outcome = await asked.outcome;
  assert.equal(outcome.kind, 'reply', `the request ended as ${textOf(outcome)}`);
  return outcome.reply;
}

export async function assertFails(asked: Asked, code: Failure): Promise<void> {
  assert.equal(await text(asked), code);
}
