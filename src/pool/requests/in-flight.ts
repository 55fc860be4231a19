import { TIMER_MAX_MS } from '../../protocol/clock.ts';
import type { RequestParts } from '../../protocol/frame.ts';
import { PoolRequest, type DropRequest, type Settle } from './pool-request.ts';
import { RequestTable } from './request-table.ts';

/**
 * All requests of a pool by number, and one timer for their deadlines: every request has the same timeout, so none that
 * comes later expires sooner.
 */
export class InFlight {
  readonly #requests = new RequestTable();
  readonly #now: () => number;
  readonly #expire: (request: PoolRequest) => void;
  #timer: NodeJS.Timeout | null = null;

  /** `expire` settles a request whose deadline has passed. */
  constructor(now: () => number, expire: (request: PoolRequest) => void) {
    this.#now = now;
    this.#expire = expire;
  }

  get size(): number {
    return this.#requests.size;
  }

  /** Every request, settled or not. */
  all(): Iterable<PoolRequest> {
    return this.#requests;
  }

  get(number: number): PoolRequest | undefined {
    return this.#requests.get(number);
  }

  admit(parts: RequestParts, timeoutMs: number, settle: Settle, drop: DropRequest): PoolRequest {
    const now = this.#now();
    const request = new PoolRequest(parts, this.#requests.nextNumber(), now, now + timeoutMs, settle, drop);
    this.#requests.add(request);
    this.#arm(timeoutMs);
    return request;
  }

  /** Nothing of the request is left anywhere. */
  end(request: PoolRequest): void {
    request.stage = 'ended';
    this.#requests.delete(request);
  }

  /** The pool ends: a timer left over would keep it in memory. */
  close(): void {
    this.#disarm();
  }

  /** The timeout has changed: the deadlines of all that are not settled move by so much, also into the past. */
  moveDeadlines(byMs: number): void {
    for (const request of this.#requests) if (!request.isSettled) request.deadlineMs += byMs;
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
    let nextMs = Infinity;
    for (const request of this.#requests) {
      if (request.isSettled) continue;
      if (request.deadlineMs <= now) this.#expire(request);
      else nextMs = Math.min(nextMs, request.deadlineMs);
    }
    if (nextMs !== Infinity) this.#arm(nextMs - now);
  };
}
