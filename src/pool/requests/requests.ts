import { monotonicNowMs } from '../../protocol/clock.ts';
import { RECORD, RECORD_HEADER_BYTES, readReply, type CancelReason, type RequestParts } from '../../protocol/frame.ts';
import { LOST_CODES, POOL_RECORD } from '../../protocol/ring.ts';
import { Dispatch } from './dispatch.ts';
import type { Failure, Outcome, PoolEvents } from '../handler-pool.ts';
import { InFlight } from './in-flight.ts';
import { panicFault } from '../panic.ts';
import type { PoolRequest, Settle } from './pool-request.ts';
import { standaloneFrame, type RequestRing } from '../ring/request-ring.ts';
import type { WorkerLink } from '../worker-link.ts';

export interface RequestsOptions {
  readonly ring: RequestRing;
  readonly handedOutMax: number;
  readonly events: PoolEvents;
  linkAt(worker: number): WorkerLink | null;
  /** Something was posted: a worker has to be woken for it. */
  posted(): void;
}

export const failure = (code: Failure): Outcome => ({ kind: 'failure', code });
const INVALID_RESPONSE = failure('handler_invalid_response');
/** For requests whose outcome was given before; should one slip through, it is a fault of the gateway. */
const DROPPED = failure('internal_error');

/** The requests of a pool, from their admission to the moment when nothing of them is left. */
export class Requests {
  readonly dispatch: Dispatch;
  readonly #options: RequestsOptions;
  readonly #inFlight: InFlight;
  /** Called whenever the last request has gone. */
  onEmpty: (() => void) | null = null;

  constructor(options: RequestsOptions) {
    this.#options = options;
    this.dispatch = new Dispatch(options.ring, options.handedOutMax);
    this.#inFlight = new InFlight(monotonicNowMs, request => this.#expire(request));
  }

  get size(): number {
    return this.#inFlight.size;
  }

  /** A new request, on its way to a worker; or, for a reason, to this failure. */
  admit(parts: RequestParts, timeoutMs: number, settle: Settle, refusal: Failure | null): PoolRequest {
    const request = this.#inFlight.admit(parts, timeoutMs, settle, this.#drop);
    if (refusal === null) {
      if (this.dispatch.enter(request)) this.#options.posted();
    } else {
      // Later, as every outcome: the caller has not got its Invocation yet.
      queueMicrotask(() => this.#finish(request, failure(refusal)));
    }
    return request;
  }

  /** Posts what has room by now. */
  pump(): void {
    if (this.dispatch.pump()) this.#options.posted();
  }

  /** What a worker says about a request. */
  record(link: WorkerLink, source: Buffer, offset: number): void {
    const request = this.#inFlight.get(source.readUInt32LE(offset + 8));
    // Gone already: this record went through the ring while the last one of the request overtook it on the port.
    if (request === undefined) return;
    switch (source[offset + 4]) {
      case RECORD.reply:
        return this.#onReply(request, source, offset);
      case RECORD.panic:
        this.#options.events.fault(request.parts.requestId, panicFault(source, offset));
        return this.#finish(request, failure('handler_panicked'));
      case RECORD.dropped:
        return this.#finish(request, DROPPED);
      case POOL_RECORD.suspended:
        return this.dispatch.start(request, link.index);
      case POOL_RECORD.lost:
        return this.#finish(request, failure(lostCode(source, offset)));
      case POOL_RECORD.returned:
        return this.#requeue(request);
      default:
        return this.#finish(request, failure('internal_error'));
    }
  }

  /** The worker has claimed a request whose frame did not fit into its slot. */
  sendFrame(link: WorkerLink, number: number): void {
    const request = this.#inFlight.get(number);
    if (request === undefined) return;
    this.dispatch.start(request, link.index);
    const frame = standaloneFrame(request.parts, number, request.deadlineMs);
    link.post({ kind: 'frame', request: number, frame }, [frame]);
  }

  /** The timeout has changed by so much, also for requests that wait in the ring. @returns the deadlines there are now. */
  moveDeadlines(byMs: number): ReadonlyMap<number, number> {
    for (const request of this.dispatch.posted()) {
      if (request !== null) this.#options.ring.setDeadline(request.slot, request.deadlineMs + byMs);
    }
    this.#inFlight.moveDeadlines(byMs);
    return new Map([...this.#inFlight.all()].map(({ number, deadlineMs }) => [number, deadlineMs]));
  }

  /** The worker is gone, and with it what it had. */
  failHeldBy(worker: number): void {
    for (const request of this.#heldBy(worker)) this.#finish(request, failure('handler_crashed'));
  }

  /** The worker is in a call that nothing can end, and so is what it had. */
  strandHeldBy(worker: number): void {
    for (const request of this.#heldBy(worker)) {
      this.dispatch.strand(request, worker);
      this.#finish(request, failure('handler_timeout'));
    }
  }

  #heldBy(worker: number): PoolRequest[] {
    return [...this.#inFlight.all()].filter(request => this.dispatch.workerOf(request) === worker);
  }

  /** Gives every open request this outcome, and has workers drop those they have. */
  failAll(code: Failure): void {
    const cancels = new Map<WorkerLink, number[]>();
    for (const request of this.#inFlight.all()) {
      request.settle(failure(code));
      const link = this.#detach(request);
      if (link === null) continue;
      const requests = cancels.get(link);
      if (requests === undefined) cancels.set(link, [request.number]);
      else requests.push(request.number);
    }
    for (const [link, requests] of cancels) link.post({ kind: 'cancel', requests, reason: 'drainForced' });
  }

  /** Gives every request that no worker has this outcome. */
  failWaiting(code: Failure): void {
    for (const request of this.#inFlight.all()) {
      if (!request.isSettled && this.dispatch.takeBack(request)) this.#finish(request, failure(code));
    }
  }

  /** The pool ends; no worker is left to say anything about what there still is. */
  close(): void {
    for (const request of this.#inFlight.all()) this.#finish(request, failure('handler_drain_forced'));
    this.#inFlight.close();
  }

  #onReply(request: PoolRequest, source: Buffer, offset: number): void {
    const reply = request.isSettled ? null : readReply(source, offset);
    this.#finish(request, reply === null ? INVALID_RESPONSE : { kind: 'reply', reply });
  }

  #requeue(request: PoolRequest): void {
    if (request.isSettled) return this.#finish(request, DROPPED);
    this.dispatch.requeue(request);
    this.pump();
  }

  /** Nothing of the request is left with a worker: it leaves the pool, with this outcome if it had none. */
  #finish(request: PoolRequest, outcome: Outcome): void {
    if (request.stage === 'ended') return;
    this.dispatch.leave(request);
    this.#inFlight.end(request);
    request.settle(outcome);
    if (this.size > 0) return;
    this.onEmpty?.();
    this.#options.events.idle();
  }

  #expire(request: PoolRequest): void {
    request.settle(failure('handler_timeout'));
    this.#drop(request, 'timeout');
  }

  /** The request's outcome is given, or not wanted any more: what is left is to get it out of the pool. */
  readonly #drop = (request: PoolRequest, reason: CancelReason): void => {
    this.#detach(request)?.post({ kind: 'cancel', requests: [request.number], reason });
  };

  /** Finishes a request that no worker has; else gives the worker, which has to drop it. */
  #detach(request: PoolRequest): WorkerLink | null {
    if (!this.dispatch.takeBack(request)) return this.#options.linkAt(this.dispatch.workerOf(request));
    this.#finish(request, DROPPED);
    return null;
  }
}

const lostCode = (source: Buffer, offset: number): Failure =>
  LOST_CODES[source.readUInt32LE(offset + RECORD_HEADER_BYTES)] ?? 'handler_crashed';
