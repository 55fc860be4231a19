import { monotonicNowMs } from '../protocol/clock.ts';
import type { BindFailure } from '../protocol/control.ts';
import type { RequestParts } from '../protocol/frame.ts';
import { sumHeapBytes, type HeapBytes } from '../protocol/guard.ts';
import type { ImageSpec, WorkerToMain } from '../protocol/worker.ts';
import type { Doorbell, DoorbellSource } from './ring/doorbell.ts';
import type { MainGuard } from './guard.ts';
import type {
  Failure,
  HandlerPool,
  Invocation,
  PoolFigures,
  PoolLimits,
  PoolSpec,
  PoolState,
  RetireOutcome,
} from './handler-pool.ts';
import type { Settle } from './requests/pool-request.ts';
import { LateCalls } from './late-calls.ts';
import { RequestRing } from './ring/request-ring.ts';
import { Requests } from './requests/requests.ts';
import { emptyWithin, stopWorkers } from './retirement.ts';
import type { RingMemory } from './ring/ring-memory.ts';
import { Scaler } from './scaler.ts';
import type { Standby } from './standby.ts';
import { StuckCalls } from './stuck-calls.ts';
import type { LinkListener, WorkerLink } from './worker-link.ts';
import { Workers } from './workers.ts';

export interface RingPoolOptions {
  readonly spec: PoolSpec;
  readonly image: ImageSpec;
  readonly doorbell: Doorbell;
  readonly standby: Standby;
  readonly memory: RingMemory;
  readonly guard: MainGuard;
}

/** Threads that could not start, with which a pool goes on growing. */
const STUCK_MAX = 2;

const WAS_RETIRED: BindFailure = { code: 'worker_failed', message: 'The generation was retired.' };

/** A handler pool whose requests travel through shared memory to workers that take them from there. */
export class RingPool implements HandlerPool, DoorbellSource, LinkListener {
  readonly #options: RingPoolOptions;
  readonly #ring: RequestRing;
  readonly #requests: Requests;
  readonly #workers: Workers;
  readonly #scaler: Scaler;
  readonly #lateCalls: LateCalls;
  readonly #stuckCalls: StuckCalls;
  #limits: PoolLimits;
  /** `dead`: no worker is left and none is starting. */
  #state: PoolState | 'dead' = 'binding';
  #retired: Promise<RetireOutcome> | null = null;
  /** Resolves when a drain under way has to be over sooner than it was to be. */
  readonly #drainOver = Promise.withResolvers<false>();

  constructor(options: RingPoolOptions) {
    const { spec, image, doorbell, standby, memory } = options;
    this.#options = options;
    this.#ring = new RequestRing(memory.takeRequestRing());
    this.#limits = spec.limits;
    this.#requests = new Requests({
      ring: this.#ring,
      handedOutMax: spec.limits.inFlightMax,
      events: spec.events,
      linkAt: worker => this.#workers.at(worker),
      posted: () => doorbell.attend(this),
    });
    this.#workers = new Workers({
      ring: this.#ring,
      memory,
      doorbell: doorbell.memory,
      standby,
      image,
      events: spec.events,
      listener: this,
      onEnded: link => this.#onWorkerEnded(link),
      onLost: link => this.#requests.strandHeldBy(link.index),
    });
    this.#lateCalls = new LateCalls(options.guard, monotonicNowMs);
    this.#stuckCalls = new StuckCalls({
      guard: options.guard,
      workers: this.#workers,
      limitMs: () => Math.max(this.#limits.timeoutMs, image.bindTimeoutMs),
      onStuck: link => this.#workers.lose(link),
    });
    this.#scaler = new Scaler(() => this.#load(), {
      look: () => doorbell.attend(this),
      grow: () => this.#grow(),
      shrink: () => this.shrinkTo(this.#workers.usable - 1),
    });
  }

  async bind(images: number): Promise<BindFailure | null> {
    if (this.#retired !== null) return WAS_RETIRED;
    const failure = this.#workers.start(Math.max(1, images));
    // What waits is in the ring when the first image is bound: its worker need not come back for it.
    this.#requests.dispatch.isOpen = true;
    this.#requests.pump();
    return failure;
  }

  invoke(parts: RequestParts, settle: Settle): Invocation {
    return this.#requests.admit(parts, this.#limits.timeoutMs, settle, this.#refusal());
  }

  deployed(): void {
    this.#workers.deployed();
  }

  setLimits(limits: PoolLimits): void {
    const byMs = limits.timeoutMs - this.#limits.timeoutMs;
    this.#limits = limits;
    this.#requests.dispatch.handedOutMax = limits.inFlightMax;
    if (byMs !== 0) {
      const deadlinesMs = this.#requests.moveDeadlines(byMs);
      for (const link of this.#workers) link.post({ kind: 'deadlines', deadlinesMs });
      this.#lateCalls.timeoutChanged(this.#workers, byMs, limits.timeoutMs);
      this.#stuckCalls.limitChanged();
    }
    if (this.#workers.live > limits.threadsMax) this.shrinkTo(limits.threadsMax);
    this.#requests.pump();
  }

  shrinkTo(images: number): void {
    this.#workers.shrinkTo(Math.max(1, images));
  }

  figures(): PoolFigures {
    return {
      queueLength: this.#requests.dispatch.waiting,
      inFlight: this.#requests.size,
      images: this.#workers.bound,
      threads: this.#workers.threads,
    };
  }

  memory(): HeapBytes {
    const { guard } = this.#options;
    const slots = [...this.#workers].map(({ slot }) => slot).filter(slot => slot !== null);
    return sumHeapBytes(slots.map(slot => guard.heapBytes(slot)));
  }

  failWaiting(code: Failure): void {
    this.#requests.failWaiting(code);
  }

  retire(drainTimeoutMs: number, leftWith: Failure = 'handler_drain_forced'): Promise<RetireOutcome> {
    if (this.#retired === null) this.#retired = this.#retire(drainTimeoutMs, leftWith);
    else this.#endDrainAfter(drainTimeoutMs, this.#retired);
    return this.#retired;
  }

  turn(repliesMax: number): void {
    this.#wake();
    this.#workers.drainReplies(repliesMax);
    this.#requests.dispatch.pump();
    this.#wake();
    this.#scaler.observe(this.#ring.unclaimed > 0, this.#workers.parked() === 0, monotonicNowMs());
  }

  get hasReplies(): boolean {
    return this.#workers.hasReplies;
  }

  get handedOut(): number {
    return this.#requests.dispatch.handedOut;
  }

  record(link: WorkerLink, source: Buffer, offset: number): void {
    this.#requests.record(link, source, offset);
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
        return this.#requests.sendFrame(link, message.request);
      case 'log':
        return events.log(message.lines, message.dropped);
    }
  }

  /** Why a new request is turned away; null: it is not. */
  #refusal(): Failure | null {
    if (this.#state === 'dead' || this.#retired !== null) return 'endpoint_not_loaded';
    const { dispatch } = this.#requests;
    const { queueMax } = this.#limits;
    // Counting what really waits looks at every slot, so the bound that costs nothing comes first.
    if (dispatch.waitingBound < queueMax) return null;
    // A request that a worker takes at once does not wait; with queueMax 0 there are only such.
    const takenAtOnce = Math.min(this.#workers.parked(), dispatch.room);
    return dispatch.waiting < queueMax + takenAtOnce ? null : 'queue_full';
  }

  #wake(): void {
    if (this.#ring.unclaimed > 0) this.#workers.wakeOne();
  }

  #onBound(link: WorkerLink, slot: number): void {
    link.slot = slot;
    if (link.state === 'binding') link.state = 'serving';
    if (this.#retired === null) this.#state = 'ready';
    this.#requests.dispatch.isOpen = true;
    link.firstBind.resolve(null);
    this.#requests.pump();
  }

  #onWorkerEnded(link: WorkerLink): void {
    this.#requests.failHeldBy(link.index);
    // After the worker was replaced, if it is.
    queueMicrotask(() => this.#onWorkersLeft());
  }

  #onWorkersLeft(): void {
    // A wake-up that the worker was given may have been meant for a request that is still in the ring.
    if (this.#workers.usable > 0) return this.#options.doorbell.attend(this);
    this.#requests.dispatch.isOpen = false;
    if (this.#retired === null) this.#state = 'dead';
    this.#requests.failAll('endpoint_not_loaded');
  }

  #grow(): void {
    // Threads cannot start at the moment: another attempt would be one more that is stuck.
    if (this.#workers.stuck >= STUCK_MAX) return;
    if (this.#state === 'ready' && this.#options.spec.events.mayGrow()) void this.#startOneMore();
  }

  async #startOneMore(): Promise<void> {
    const failure = await this.#workers.start(1);
    if (failure !== null) this.#options.spec.events.bindFailed(failure);
  }

  #load() {
    return {
      nowMs: monotonicNowMs(),
      waitingSinceMs: this.#requests.dispatch.oldestPosted?.admittedAtMs ?? null,
      workers: this.#workers.bound + this.#workers.count('binding'),
      bindingWorkers: this.#workers.count('binding'),
      parkedWorkers: this.#workers.parked(),
      threadsMax: this.#limits.threadsMax,
    };
  }

  /** The timer goes with the drain: it would keep the pool in memory for as long as it was to last at most. */
  #endDrainAfter(drainTimeoutMs: number, retired: Promise<RetireOutcome>): void {
    const timer = setTimeout(() => this.#drainOver.resolve(false), drainTimeoutMs).unref();
    const clear = (): void => clearTimeout(timer);
    void retired.then(clear, clear);
  }

  async #retire(drainTimeoutMs: number, leftWith: Failure): Promise<RetireOutcome> {
    const { guard, doorbell, memory } = this.#options;
    this.#state = 'draining';
    // What waits is better answered by a crash now than by its deadline later.
    for (const link of this.#workers) link.post({ kind: 'end_pauses' });
    const drained = await Promise.race([emptyWithin(this.#requests, drainTimeoutMs), this.#drainOver.promise]);
    if (!drained) this.#requests.failAll(leftWith);
    const hasStopped = await stopWorkers(this.#workers, guard, !drained);
    if (hasStopped) memory.returnRequestRing(this.#ring);
    else for (const link of this.#workers) this.#workers.lose(link);
    this.#scaler.close();
    this.#lateCalls.close();
    this.#stuckCalls.close();
    this.#requests.close();
    this.#workers.close();
    doorbell.forget(this);
    this.#state = 'retired';
    return { outcome: drained ? 'drained' : 'forced', stillMapped: this.#workers.stillMapped };
  }
}
