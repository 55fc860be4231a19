import type { BindFailure, GatewayEvent, GenerationFigures, GenerationSpec } from '../protocol/control.ts';
import type { RequestParts } from '../protocol/frame.ts';
import { sumHeapBytes, type HeapBytes } from '../protocol/guard.ts';
import type {
  Failure,
  HandlerPool,
  Invocation,
  Outcome,
  PoolEvents,
  PoolFactory,
  PoolLimits,
} from '../pool/handler-pool.ts';
import type { Clock } from './clock.ts';
import { CrashStreak } from './crash-streak.ts';
import type { EndpointCounters } from './endpoint-counters.ts';
import { GENERATION_TRANSITIONS, type GenerationState } from './generation-state.ts';
import { LeavingPools } from './leaving-pools.ts';
import type { ThreadHolder, ThreadKeeper } from './thread-keeper.ts';
import { WakeBackOff } from './wake-backoff.ts';

/** What generations share: where their pools come from, and whom they tell what. */
export interface GenerationSurroundings {
  readonly clock: Clock;
  readonly keeper: ThreadKeeper;
  /** Crashes in a row that are a crash loop; 0: none ever is. */
  readonly crashLoopFaults: number;
  /** null: there is no guard yet, so nothing can be bound. */
  poolFactory(): PoolFactory | null;
  readonly emit: (event: GatewayEvent) => void;
}

export interface DrainReport {
  /** `forced`: requests were still running when the time was up. */
  readonly outcome: 'drained' | 'forced';
  readonly requests: number;
  readonly drainMs: number;
}

interface LivePool {
  readonly pool: HandlerPool;
  /** `waiting`: no image was asked for yet, for want of a thread. */
  phase: 'waiting' | 'binding' | 'bound';
  /** While binding: the images asked for, so that their threads count from the start. */
  imagesAsked: number;
  /** Why a worker could not get a fresh image: it is gone, perhaps as the last one. */
  workerFailure: BindFailure | null;
}

/** A worker that could not get a fresh image is gone after so long, usually. */
const WORKER_GONE_MS = 50;
const NO_GUARD: BindFailure = { code: 'worker_failed', message: 'The guard library is not built yet.' };

/**
 * One generation in this process, awake (it has a pool) or asleep (it has none). A pool that was put to sleep may still
 * be giving its threads back while the next one is bound, so there can be several: one live, the others leaving.
 */
export class Generation implements ThreadHolder {
  readonly endpoint: string;
  readonly number: number;
  readonly #spec: GenerationSpec;
  readonly #surroundings: GenerationSurroundings;
  readonly #counters: EndpointCounters;
  readonly #crashStreak: CrashStreak;
  /** Images are named as of a generation that is not deployed. */
  readonly #ahead: boolean;
  #isGuess = false;
  #limits: PoolLimits;
  #state: GenerationState = 'prepared';
  #live: LivePool | null = null;
  readonly #leaving: LeavingPools;
  #requests = 0;
  #lastUsedMs: number;
  readonly #wakeBackOff = new WakeBackOff();

  constructor(options: {
    readonly endpoint: string;
    readonly spec: GenerationSpec;
    readonly limits: PoolLimits;
    readonly counters: EndpointCounters;
    readonly surroundings: GenerationSurroundings;
    /** It is prepared for a deploy that may never come. */
    readonly ahead?: boolean;
  }) {
    this.endpoint = options.endpoint;
    this.number = options.spec.generation;
    this.#spec = options.spec;
    this.#limits = options.limits;
    this.#counters = options.counters;
    this.#surroundings = options.surroundings;
    this.#ahead = options.ahead ?? false;
    this.#crashStreak = new CrashStreak(options.surroundings.crashLoopFaults);
    const name = `generation ${this.number} of ${this.endpoint}`;
    this.#leaving = new LeavingPools(name, message => this.#replaceProcess(message));
    this.#lastUsedMs = options.surroundings.clock.nowMs();
    options.surroundings.keeper.add(this);
  }

  get spec(): GenerationSpec {
    return this.#spec;
  }

  get state(): GenerationState {
    return this.#state;
  }

  get serving(): boolean {
    return this.#state === 'serving';
  }

  get givesWay(): boolean {
    return this.serving || this.isGuess;
  }

  /** Prepared for a deploy that nobody has asked for. */
  get isGuess(): boolean {
    return this.#isGuess && this.#state === 'prepared';
  }

  /** It has no thread, nor is one asked for. */
  get asleep(): boolean {
    return this.#live === null && this.#leaving.size === 0;
  }

  get lastUsedMs(): number {
    return this.#lastUsedMs;
  }

  get threads(): number {
    let threads = this.#live === null ? 0 : Math.max(this.#live.imagesAsked, this.#live.pool.figures().threads);
    for (const pool of this.#leaving) threads += pool.figures().threads;
    return threads;
  }

  get images(): number {
    return this.#live?.pool.figures().images ?? 0;
  }

  /** Requests given to it and not finished, also those being dropped. */
  get inFlight(): number {
    let inFlight = this.#live?.pool.figures().inFlight ?? 0;
    for (const pool of this.#leaving) inFlight += pool.figures().inFlight;
    return inFlight;
  }

  get queueLength(): number {
    return this.#live?.pool.figures().queueLength ?? 0;
  }

  get idle(): boolean {
    return this.#live?.phase !== 'binding' && this.inFlight === 0;
  }

  /** Hands a request to a worker, waking the generation if need be. null: nothing of it can be loaded at the moment. */
  invoke(parts: RequestParts, settle: (outcome: Outcome) => void): Invocation | null {
    const live = this.#crashStreak.hasTripped ? null : (this.#live ?? this.#wake());
    if (live === null) return null;
    this.#requests++;
    this.#lastUsedMs = this.#surroundings.clock.nowMs();
    return live.pool.invoke(parts, outcome => {
      if (outcome.kind === 'reply') this.#crashStreak.answered();
      settle(outcome);
    });
  }

  /** Binds for a deploy or at start: at least one image, up to `wanted` when there are threads. null when it went well. */
  async bind(wanted: number): Promise<BindFailure | null> {
    const live = (this.#live ??= this.#newPool());
    if (live === null) return NO_GUARD;
    const failure = await this.#bindImages(live, this.#surroundings.keeper.grantDeploy(wanted));
    if (failure !== null && this.#live === live) void this.#letGo(0, 'endpoint_not_loaded');
    return failure;
  }

  /** As `bind`; what was prepared ahead binds what it lacks, having given way, or having fewer images than are wanted now. */
  async prepare(wanted: number, ahead: boolean): Promise<BindFailure | null> {
    this.#isGuess = ahead;
    const lacking = Math.max(1, wanted) - this.images;
    if (this.#live?.phase === 'bound' && lacking <= 0) return null;
    return this.bind(ahead ? Math.min(lacking, this.#surroundings.keeper.threadsFree >> 1) : lacking);
  }

  /** Binds what it lacks of so many images while it serves; what fails costs nothing but those. */
  topUp(images: number): void {
    const live = this.#live;
    if (live?.phase !== 'bound') return;
    const lacking = Math.min(images - this.images, this.#surroundings.keeper.threadsFree);
    if (lacking > 0) void live.pool.bind(lacking);
  }

  /** Binds because it is committed and was not prepared here; what fails is told as an event. */
  wakeForDeploy(): void {
    this.#live ??= this.#newPool();
    if (this.#live !== null) void this.#bindFirst(this.#live, this.#surroundings.keeper.grantDeploy(1));
  }

  wakeNow(): void {
    if (this.#live !== null) void this.#bindFirst(this.#live, 1);
  }

  /** Forgets failed wakes: the next request tries again. */
  forgiveFailures(): void {
    this.#wakeBackOff.reset();
  }

  /** It has crashed so often in a row in the process whose place this one takes. */
  resumeCrashes(crashes: number): void {
    this.#crashStreak.resume(crashes);
  }

  setLimits(limits: PoolLimits): void {
    this.#limits = limits;
    this.#live?.pool.setLimits(limits);
    for (const pool of this.#leaving) pool.setLimits(limits);
  }

  shrink(): void {
    this.#live?.pool.shrinkTo(1);
  }

  sleep(): void {
    if (this.#live !== null && this.idle) void this.#letGo(0);
  }

  /** From prepared to serving: requests come from now on. */
  serve(): void {
    if (this.#ahead) this.#live?.pool.deployed();
    this.#enter('serving');
    this.#lastUsedMs = this.#surroundings.clock.nowMs();
  }

  /** Ends the generation: resolves when its last image is unmapped. Requests in it have `timeoutMs` to finish. */
  async drain(timeoutMs: number): Promise<DrainReport> {
    this.#enter('draining');
    const startedMs = this.#surroundings.clock.nowMs();
    // Requests that waited for a thread belong to this generation all the same; the budget is exceeded for their sake.
    if (this.#live?.phase === 'waiting') void this.#bindImages(this.#live, 1);
    void this.#letGo(timeoutMs);
    const outcomes = await this.#leaving.end(timeoutMs);
    this.#enter('retired');
    this.#surroundings.keeper.remove(this);
    return {
      outcome: outcomes.includes('forced') ? 'forced' : 'drained',
      requests: this.#requests,
      drainMs: this.#surroundings.clock.nowMs() - startedMs,
    };
  }

  figures(): GenerationFigures {
    return {
      endpoint: this.endpoint,
      generation: this.number,
      state: this.#state === 'retired' ? 'draining' : this.#state,
      asleep: this.asleep,
      inFlight: this.inFlight,
      requests: this.#requests,
      images: this.images,
      crashes: this.#crashStreak.crashes,
      ...this.#memory(),
    };
  }

  #memory(): HeapBytes {
    const pools = [...this.#leaving];
    if (this.#live !== null) pools.push(this.#live.pool);
    return sumHeapBytes(pools.map(pool => pool.memory()));
  }

  #enter(next: GenerationState): void {
    if (!GENERATION_TRANSITIONS[this.#state].includes(next)) {
      throw new Error(`Generation ${this.number} of ${this.endpoint} cannot go from ${this.#state} to ${next}.`);
    }
    this.#state = next;
  }

  /** A pool for the requests that come; its first image is bound at once, or when the keeper has a thread for it. */
  #wake(): LivePool | null {
    if (!this.serving || !this.#wakeBackOff.allows(this.#surroundings.clock.nowMs())) return null;
    const live = this.#newPool();
    this.#live = live;
    if (live !== null) this.#surroundings.keeper.requestWake(this);
    return live;
  }

  #newPool(): LivePool | null {
    const factory = this.#surroundings.poolFactory();
    if (factory === null) return null;
    const events = this.#poolEvents();
    const { endpoint, number: generation } = this;
    const { artifactPath } = this.#spec;
    const ahead = this.#ahead && this.#state === 'prepared';
    const pool = factory.create({ endpoint, generation, artifactPath, ahead, limits: this.#limits, events });
    return { pool, phase: 'waiting', imagesAsked: 0, workerFailure: null };
  }

  async #bindImages(live: LivePool, images: number): Promise<BindFailure | null> {
    live.phase = 'binding';
    live.imagesAsked = images;
    this.#lastUsedMs = this.#surroundings.clock.nowMs();
    try {
      return await live.pool.bind(images);
    } catch (error) {
      return { code: 'worker_failed', message: error instanceof Error ? error.message : String(error) };
    } finally {
      live.phase = 'bound';
      live.imagesAsked = 0;
      this.#surroundings.keeper.threadsFreed();
    }
  }

  async #bindFirst(live: LivePool, images: number): Promise<void> {
    const failure = await this.#bindImages(live, images);
    if (this.#live !== live) return;
    if (failure === null) this.forgiveFailures();
    else this.#failed(failure);
  }

  /**
   * Nothing of the serving generation can be loaded: pause before the next attempt, and say so. What waits is refused; what
   * was started, in an image that takes nothing new, has its own deadline.
   */
  #failed(failure: BindFailure): void {
    this.#live?.pool.failWaiting('endpoint_not_loaded');
    void this.#letGo(this.#limits.timeoutMs);
    if (!this.serving) return;
    this.#wakeBackOff.failed(this.#surroundings.clock.nowMs());
    const { endpoint, number: generation } = this;
    this.#surroundings.emit({ kind: 'endpoint_failed', endpoint, generation, ...failure });
  }

  /** Takes the live pool away; resolves when its images are unmapped and its threads given back. */
  async #letGo(timeoutMs: number, leftWith: Failure = 'handler_drain_forced'): Promise<void> {
    const live = this.#live;
    if (live === null) return;
    this.#live = null;
    const { emit, keeper } = this.#surroundings;
    if (this.isGuess) emit({ kind: 'gave_way', endpoint: this.endpoint, generation: this.number });
    keeper.withdrawWake(this);
    await this.#leaving.add(live.pool, timeoutMs, leftWith);
    keeper.threadsFreed();
  }

  #replaceProcess(message: string): void {
    this.#surroundings.emit({ kind: 'replace_me', reason: 'suspect', message });
  }

  #poolEvents(): PoolEvents {
    const { endpoint, number: generation } = this;
    const { emit, keeper } = this.#surroundings;
    return {
      binding: () => emit({ kind: 'binding', endpoint, generation }),
      bound: () => emit({ kind: 'bound', endpoint, generation }),
      log: (lines, dropped) => {
        this.#counters.countLogLinesDropped(dropped);
        emit({ kind: 'handler_log', endpoint, generation, lines });
      },
      fault: (requestId, fault) => {
        this.#counters.countFault(fault.kind);
        emit({ kind: 'fault', endpoint, generation, requestId, fault });
        if (this.serving && this.#crashStreak.faulted(fault.kind)) this.#enterCrashLoop();
      },
      recycled: reason => this.#counters.countRecycled(reason),
      bindFailed: failure => this.#workerLost(failure),
      idle: () => this.#becameIdle(),
      mayGrow: () => this.#state !== 'draining' && keeper.mayGrow(),
      suspect: reason => this.#replaceProcess(reason),
    };
  }

  /** No more requests: those that wait are refused, those that were started may finish. The control plane does the rest. */
  #enterCrashLoop(): void {
    const { endpoint, number: generation } = this;
    this.#live?.pool.failWaiting('endpoint_not_loaded');
    this.#surroundings.emit({ kind: 'crash_loop', endpoint, generation, crashes: this.#crashStreak.crashes });
  }

  /** A worker could not get a fresh image after a recycle. It may take a moment to go; with the last one, nothing is loaded. */
  #workerLost(failure: BindFailure): void {
    const live = this.#live;
    if (live === null) return;
    live.workerFailure = failure;
    this.#checkWorkers();
    this.#surroundings.clock.after(WORKER_GONE_MS, () => this.#checkWorkers());
  }

  #checkWorkers(): void {
    const live = this.#live;
    if (live === null || live.workerFailure === null || live.phase !== 'bound') return;
    if (this.images === 0) this.#failed(live.workerFailure);
  }

  /** Called for nearly every request of a quiet endpoint, so it looks at figures only when something is wrong. */
  #becameIdle(): void {
    this.#checkWorkers();
    // All requests of a wake that still waits for a thread are gone: it needs none.
    if (this.serving && this.#live?.phase === 'waiting') void this.#letGo(0);
    this.#surroundings.keeper.threadsFreed();
  }
}
