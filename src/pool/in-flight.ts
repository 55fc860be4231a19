import { TIMER_MAX_MS } from '../protocol/clock.ts';
import type { CancelReason, RequestParts } from '../protocol/frame.ts';
import type { Failure, Invocation, Outcome } from './handler-pool.ts';

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

/**
 * All requests of a pool by number, and one timer for their deadlines: every request has the same timeout, so the order
 * in which they came is the order in which they expire.
 */
export class InFlight {
  readonly #byNumber = new Map<number, PoolRequest>();
  /** Requests whose outcome is open, oldest first. */
  readonly #open = new Set<PoolRequest>();
  readonly #now: () => number;
  readonly #expire: (request: PoolRequest) => void;
  #timer: NodeJS.Timeout | null = null;
  #lastNumber = 0;

  constructor(now: () => number, expire: (request: PoolRequest) => void) {
    this.#now = now;
    this.#expire = expire;
  }

  get size(): number {
    return this.#byNumber.size;
  }

  /** Every request, settled or not, oldest first. */
  all(): Iterable<PoolRequest> {
    return this.#byNumber.values();
  }

  get(number: number): PoolRequest | undefined {
    return this.#byNumber.get(number);
  }

  admit(parts: RequestParts, timeoutMs: number, settle: Settle, drop: DropRequest): PoolRequest {
    this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    const now = this.#now();
    const request = new PoolRequest(parts, this.#lastNumber, now, now + timeoutMs, settle, drop);
    this.#byNumber.set(request.number, request);
    this.#open.add(request);
    this.#arm(timeoutMs);
    return request;
  }

  /** The outcome of the request is known: its deadline does not matter any more. */
  settled(request: PoolRequest): void {
    this.#open.delete(request);
  }

  /** Nothing of the request is left anywhere. */
  end(request: PoolRequest): void {
    request.stage = 'ended';
    this.#byNumber.delete(request.number);
    this.#open.delete(request);
  }

  /** The pool ends: a timer left over would keep it in memory. */
  close(): void {
    this.#disarm();
  }

  /** The timeout has changed: all deadlines move by so much, also into the past. */
  moveDeadlines(byMs: number): void {
    for (const request of this.#open) request.deadlineMs += byMs;
    this.#disarm();
    this.#onTimer();
  }

  #disarm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
  }

  #arm(afterMs: number): void {
    // A timer that is set belongs to an older request, so it fires sooner. Never renewed when that request ends: most
    // requests end long before, and looking in vain once per timeout is cheaper than a timer per request.
    if (this.#timer !== null) return;
    this.#timer = setTimeout(this.#onTimer, Math.min(Math.ceil(afterMs), TIMER_MAX_MS));
    this.#timer.unref();
  }

  readonly #onTimer = (): void => {
    this.#timer = null;
    const now = this.#now();
    for (const request of this.#open) {
      if (request.deadlineMs > now) return this.#arm(request.deadlineMs - now);
      this.#open.delete(request);
      this.#expire(request);
    }
  };
}
