import type { CancelReason, RequestParts } from '../../protocol/frame.ts';
import type { Failure, Invocation, Outcome } from '../handler-pool.ts';

export type Settle = (outcome: Outcome) => void;

/**
 * Where a request is:
 *
 *     queued ──► posted (in the ring, with a slot) ──► started (with a worker, suspended) ──► ended
 *        ▲          │                                      │
 *        └──────────┴── returned unstarted ────────────────┘
 */
export type Stage = 'queued' | 'posted' | 'started' | 'ended';

/** Takes a request out of the pool, whatever stage it is in. */
export type DropRequest = (request: PoolRequest, reason: CancelReason) => void;

/** One request in a pool. It counts as in flight until it has ended, also when its outcome was given long before. */
export class PoolRequest implements Invocation {
  readonly parts: RequestParts;
  /** Its number towards the workers. */
  readonly number: number;
  readonly admittedAtMs: number;
  deadlineMs: number;
  stage: Stage = 'queued';
  /** Position in the queue while queued. */
  queuePosition = -1;
  /** Slot in the request ring while posted. */
  slot = -1;
  /** Index of the worker while started. */
  worker = -1;
  #settle: Settle | null;
  readonly #drop: DropRequest;

  constructor(
    parts: RequestParts,
    number: number,
    nowMs: number,
    deadlineMs: number,
    settle: Settle,
    drop: DropRequest,
  ) {
    this.parts = parts;
    this.number = number;
    this.admittedAtMs = nowMs;
    this.deadlineMs = deadlineMs;
    this.#settle = settle;
    this.#drop = drop;
  }

  get isSettled(): boolean {
    return this.#settle === null;
  }

  cancel(): void {
    if (this.#settle === null) return;
    this.#settle = null;
    this.#drop(this, 'clientGone');
  }

  settle(outcome: Outcome): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(outcome);
  }

  fail(code: Failure): void {
    this.settle({ kind: 'failure', code });
  }
}
