import { monotonicNowMs } from '../protocol/clock.ts';
import type { BindFailure } from '../protocol/control.ts';
import { RECORD, RECORD_HEADER_BYTES, readReply, type CancelReason, type RequestParts } from '../protocol/frame.ts';
import { LOST_CODES, POOL_RECORD } from '../protocol/ring.ts';
import type { ImageSpec, WorkerToMain } from '../protocol/worker.ts';
import { Dispatch } from './dispatch.ts';
import type { Doorbell, DoorbellSource } from './doorbell.ts';
import type { MainGuard } from './guard.ts';
import type {
  Failure,
  HandlerPool,
  Invocation,
  Outcome,
  PoolFigures,
  PoolLimits,
  PoolSpec,
  PoolState,
  RetireOutcome,
} from './handler-pool.ts';
import { InFlight, type PoolRequest, type Settle } from './in-flight.ts';
import { panicFault } from './panic.ts';
import { RequestRing, standaloneFrame } from './request-ring.ts';
import { stopWorkers } from './retirement.ts';
import { Scaler } from './scaler.ts';
import type { Standby } from './standby.ts';
import type { LinkListener, WorkerLink } from './worker-link.ts';
import { Workers } from './workers.ts';

export interface RingPoolOptions {
  readonly spec: PoolSpec;
  readonly image: ImageSpec;
  readonly doorbell: Doorbell;
  readonly standby: Standby;
  readonly guard: MainGuard;
}

const WAS_RETIRED: BindFailure = { code: 'worker_failed', message: 'The generation was retired.' };
const failure = (code: Failure): Outcome => ({ kind: 'failure', code });
const INVALID_RESPONSE = failure('handler_invalid_response');
const DRAIN_FORCED = failure('handler_drain_forced');
/** For requests whose outcome was given before; should one slip through, it is a fault of the gateway. */
const DROPPED = failure('internal_error');

/** A handler pool whose requests travel through shared memory to workers that poll for them. */
export class RingPool implements HandlerPool, DoorbellSource, LinkListener {
  readonly #options: RingPoolOptions;
  readonly #ring = new RequestRing();
  readonly #dispatch: Dispatch;
  readonly #workers: Workers;
  readonly #inFlight: InFlight;
  readonly #scaler: Scaler;
  #limits: PoolLimits;
  /** `dead`: no worker is left and none is starting. */
  #state: PoolState | 'dead' = 'binding';
  #retired: Promise<RetireOutcome> | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(options: RingPoolOptions) {
    const { spec, image, doorbell, standby } = options;
    this.#options = options;
    this.#limits = spec.limits;
    this.#dispatch = new Dispatch(this.#ring, spec.limits.inFlightMax);
    this.#workers = new Workers({
      ring: this.#ring,
      doorbell: doorbell.memory,
      standby,
      image,
      events: spec.events,
      listener: this,
      onEnded: link => this.#onWorkerEnded(link),
    });
    this.#inFlight = new InFlight(monotonicNowMs, request => this.#expire(request));
    this.#scaler = new Scaler(() => this.#load(), {
      look: () => doorbell.attend(this),
      grow: () => this.#grow(),
      shrink: () => this.shrinkTo(this.#workers.live - 1),
    });
  }

  async bind(images: number): Promise<BindFailure | null> {
    if (this.#retired !== null) return WAS_RETIRED;
    return this.#workers.start(Math.max(1, images));
  }

  invoke(parts: RequestParts, settle: Settle): Invocation {
    const request = this.#inFlight.admit(parts, this.#limits.timeoutMs, settle, this.#drop);
    const refusal = this.#refusal();
    if (refusal === null) {
      if (this.#dispatch.enter(request)) this.#options.doorbell.attend(this);
    } else {
      // Later, as every outcome: the caller has not got its Invocation yet.
      queueMicrotask(() => this.#finish(request, failure(refusal)));
    }
    return request;
  }

  setLimits(limits: PoolLimits): void {
    const byMs = limits.timeoutMs - this.#limits.timeoutMs;
    this.#limits = limits;
    this.#dispatch.handedOutMax = limits.inFlightMax;
    if (byMs !== 0) this.#moveDeadlines(byMs);
    if (this.#workers.live > limits.threadsMax) this.shrinkTo(limits.threadsMax);
    this.#pump();
  }

  shrinkTo(images: number): void {
    this.#workers.shrinkTo(Math.max(1, images));
  }

  figures(): PoolFigures {
    return {
      queueLength: this.#dispatch.waiting,
      inFlight: this.#inFlight.size,
      images: this.#workers.live - this.#workers.count('binding'),
      threads: this.#workers.threads,
    };
  }

  retire(drainTimeoutMs: number): Promise<RetireOutcome> {
    this.#retired ??= this.#retire(drainTimeoutMs);
    return this.#retired;
  }

  turn(): void {
    this.#wake();
    this.#workers.drainReplies();
    this.#dispatch.pump();
    this.#wake();
    this.#scaler.observe(this.#ring.unclaimed > 0, this.#workers.parked() === 0, monotonicNowMs());
  }

  get hasReplies(): boolean {
    return this.#workers.hasReplies;
  }

  get isQuiet(): boolean {
    return this.#dispatch.handedOut === 0;
  }

  record(link: WorkerLink, source: Buffer, offset: number): void {
    const request = this.#inFlight.get(source.readUInt32LE(offset + 8));
    // Gone already: this record went through the ring while the last one of the request overtook it on the port.
    if (request === undefined) return;
    switch (source[offset + 4]) {
      case RECORD.reply:
        return this.#onReply(request, source, offset);
      case RECORD.panic:
        this.#options.spec.events.fault(request.parts.requestId, panicFault(source, offset));
        return this.#finish(request, failure('handler_panicked'));
      case RECORD.dropped:
        return this.#finish(request, DROPPED);
      case POOL_RECORD.suspended:
        return this.#dispatch.start(request, link.index);
      case POOL_RECORD.lost:
        return this.#finish(request, failure(lostCode(source, offset)));
      case POOL_RECORD.returned:
        return this.#requeue(request);
      default:
        return this.#finish(request, failure('internal_error'));
    }
  }

  message(link: WorkerLink, message: Exclude<WorkerToMain, { kind: 'record' }>): void {
    const { events } = this.#options.spec;
    switch (message.kind) {
      case 'bound':
        return this.#onBound(link, message.slot);
      case 'bind_failed':
        if (link.state === 'binding') return link.firstBind.resolve(message.failure);
        return events.bindFailed(message.failure);
      case 'recycled':
        return events.recycled(message.reason);
      case 'fault':
        events.fault(message.requestId, message.fault);
        if (message.fault.suspect) events.suspect(`a fault (${message.fault.kind}) left foreign code`);
        return;
      case 'still_mapped':
        return this.#workers.keepsImage('an image did not unmap');
      case 'frame_wanted':
        return this.#sendFrame(link, message.request);
      case 'log':
        return events.log(message.lines);
    }
  }

  /** Why the request just admitted is turned away; null: it is not. */
  #refusal(): Failure | null {
    if (this.#state === 'dead' || this.#retired !== null) return 'endpoint_not_loaded';
    const { queueMax } = this.#limits;
    // Counting what really waits looks at every slot, so the bound that costs nothing comes first.
    if (this.#dispatch.waitingBound < queueMax) return null;
    // A request that a worker takes at once does not wait; with queueMax 0 there are only such.
    const takenAtOnce = Math.min(this.#workers.parked(), this.#dispatch.room);
    return this.#dispatch.waiting < queueMax + takenAtOnce ? null : 'queue_full';
  }

  #pump(): void {
    if (this.#dispatch.pump()) this.#options.doorbell.attend(this);
  }

  #wake(): void {
    if (this.#ring.unclaimed > 0) this.#workers.wakeOne();
  }

  #sendFrame(link: WorkerLink, number: number): void {
    const request = this.#inFlight.get(number);
    if (request === undefined) return;
    this.#dispatch.start(request, link.index);
    const frame = standaloneFrame(request.parts, number, request.deadlineMs);
    link.post({ kind: 'frame', request: number, frame }, [frame]);
  }

  #onReply(request: PoolRequest, source: Buffer, offset: number): void {
    const reply = request.isSettled ? null : readReply(source, offset);
    this.#finish(request, reply === null ? INVALID_RESPONSE : { kind: 'reply', reply });
  }

  #requeue(request: PoolRequest): void {
    if (request.isSettled) return this.#finish(request, DROPPED);
    this.#dispatch.requeue(request);
    this.#pump();
  }

  /** Nothing of the request is left with a worker: it leaves the pool, with this outcome if it had none. */
  #finish(request: PoolRequest, outcome: Outcome): void {
    if (request.stage === 'ended') return;
    this.#dispatch.leave(request);
    this.#inFlight.end(request);
    request.settle(outcome);
    if (this.#inFlight.size > 0) return;
    this.#onEmpty?.();
    this.#options.spec.events.idle();
  }

  #expire(request: PoolRequest): void {
    request.settle(failure('handler_timeout'));
    this.#drop(request, 'timeout');
  }

  /** The request's outcome is given, or not wanted any more: what is left is to get it out of the pool. */
  readonly #drop = (request: PoolRequest, reason: CancelReason): void => {
    this.#inFlight.settled(request);
    this.#detach(request)?.post({ kind: 'cancel', requests: [request.number], reason });
  };

  /** Finishes a request that no worker has; else gives the worker, which has to drop it. */
  #detach(request: PoolRequest): WorkerLink | null {
    if (!this.#dispatch.takeBack(request)) return this.#workers.at(this.#dispatch.workerOf(request));
    this.#finish(request, DROPPED);
    return null;
  }

  #moveDeadlines(byMs: number): void {
    for (const request of this.#dispatch.posted()) {
      if (request !== null) this.#ring.setDeadline(request.slot, request.deadlineMs + byMs);
    }
    for (const link of this.#workers) link.post({ kind: 'move_deadlines', byMs });
    this.#inFlight.moveDeadlines(byMs);
  }

  #onBound(link: WorkerLink, slot: number): void {
    link.slot = slot;
    if (link.state === 'binding') link.state = 'serving';
    if (this.#retired === null) this.#state = 'ready';
    this.#dispatch.isOpen = true;
    link.firstBind.resolve(null);
    this.#pump();
  }

  #onWorkerEnded(link: WorkerLink): void {
    for (const request of this.#inFlight.all()) {
      if (this.#dispatch.workerOf(request) === link.index) this.#finish(request, failure('handler_crashed'));
    }
    // After the worker was replaced, if it is.
    queueMicrotask(() => this.#onWorkersLeft());
  }

  #onWorkersLeft(): void {
    // A wake-up that the worker was given may have been meant for a request that is still in the ring.
    if (this.#workers.live > 0) return this.#options.doorbell.attend(this);
    this.#dispatch.isOpen = false;
    if (this.#retired === null) this.#state = 'dead';
    for (const request of this.#inFlight.all()) {
      request.settle(failure('endpoint_not_loaded'));
      this.#detach(request);
    }
  }

  #grow(): void {
    const { events } = this.#options.spec;
    if (this.#state !== 'ready' || !events.mayGrow()) return;
    void this.#startOneMore();
  }

  async #startOneMore(): Promise<void> {
    const failure = await this.#workers.start(1);
    if (failure !== null) this.#options.spec.events.bindFailed(failure);
  }

  #load() {
    return {
      nowMs: monotonicNowMs(),
      waitingSinceMs: this.#dispatch.oldestPosted?.admittedAtMs ?? null,
      workers: this.#workers.live,
      bindingWorkers: this.#workers.count('binding'),
      parkedWorkers: this.#workers.parked(),
      threadsMax: this.#limits.threadsMax,
    };
  }

  async #retire(drainTimeoutMs: number): Promise<RetireOutcome> {
    const { guard, doorbell } = this.#options;
    this.#state = 'draining';
    const drained = await this.#emptyWithin(drainTimeoutMs);
    if (!drained) this.#forceOut();
    const hasStopped = await stopWorkers(this.#workers, guard, !drained);
    if (!hasStopped) this.#workers.keepsImage('a call cannot be ended');
    for (const request of this.#inFlight.all()) this.#finish(request, DRAIN_FORCED);
    this.#scaler.close();
    this.#inFlight.close();
    this.#workers.close();
    doorbell.forget(this);
    this.#state = 'retired';
    return { outcome: drained ? 'drained' : 'forced', stillMapped: this.#workers.stillMapped };
  }

  /** False: requests were still there when the time was up. */
  #emptyWithin(timeoutMs: number): Promise<boolean> {
    if (this.#inFlight.size === 0) return Promise.resolve(true);
    return new Promise(resolve => {
      const timer = setTimeout(() => resolve(false), timeoutMs);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #forceOut(): void {
    const cancels = new Map<WorkerLink, number[]>();
    for (const request of this.#inFlight.all()) {
      request.settle(DRAIN_FORCED);
      const link = this.#detach(request);
      if (link === null) continue;
      const requests = cancels.get(link);
      if (requests === undefined) cancels.set(link, [request.number]);
      else requests.push(request.number);
    }
    for (const [link, requests] of cancels) link.post({ kind: 'cancel', requests, reason: 'drainForced' });
  }
}

const lostCode = (source: Buffer, offset: number): Failure =>
  LOST_CODES[source.readUInt32LE(offset + RECORD_HEADER_BYTES)] ?? 'handler_crashed';
