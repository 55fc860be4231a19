/**
 * Pools without threads that a test drives by hand: it settles requests, holds binds back, moves the clock and looks at
 * what the owner of the pools did with them.
 */
import type { BindFailure } from '../../src/protocol/control.ts';
import type { RequestParts } from '../../src/protocol/frame.ts';
import type { HeapBytes } from '../../src/protocol/guard.ts';
import type {
  Failure,
  HandlerPool,
  Invocation,
  Outcome,
  PoolFactory,
  PoolFigures,
  PoolLimits,
  PoolSpec,
  RetireOutcome,
} from '../../src/pool/handler-pool.ts';
import type { Clock, Timer } from '../../src/serving/clock.ts';

export type ManualHandler = (parts: RequestParts, settle: (outcome: Outcome) => void, pool: ManualPool) => void;

export const replyWith = (text: string, status = 200, headers: readonly string[] = []): Outcome => ({
  kind: 'reply',
  reply: { status, headers, body: Buffer.from(text) },
});

interface Waiting {
  readonly parts: RequestParts;
  readonly settle: (outcome: Outcome) => void;
  readonly timer: Timer;
}

export class ManualPool implements HandlerPool {
  readonly spec: PoolSpec;
  readonly cancelled: string[] = [];
  limits: PoolLimits;
  images = 0;
  retired = false;
  isDeployed = false;
  readonly #factory: ManualPoolFactory;
  readonly #waiting = new Set<Waiting>();
  readonly #requests = new Set<Waiting>();
  readonly #forced = Promise.withResolvers<'forced'>();
  #retirement: Promise<RetireOutcome> | null = null;
  #onEmpty: (() => void) | null = null;

  constructor(spec: PoolSpec, factory: ManualPoolFactory) {
    this.spec = spec;
    this.limits = spec.limits;
    this.#factory = factory;
  }

  async bind(images: number): Promise<BindFailure | null> {
    this.spec.events.binding();
    await this.#factory.beforeBind(this);
    const failure = this.#factory.bindFailure(this.spec);
    // A real pool tells of the failure before its worker has ended, and of what waited for the image only then.
    if (failure !== null || (this.retired && this.#requests.size === 0)) {
      return failure ?? { code: 'worker_failed', message: 'retired' };
    }
    this.images += images;
    this.spec.events.bound();
    for (const request of this.#waiting) this.#begin(request);
    return null;
  }

  invoke(parts: RequestParts, settle: (outcome: Outcome) => void): Invocation {
    const timer = this.#factory.clock.after(this.limits.timeoutMs, () =>
      this.#settle(request, { kind: 'failure', code: 'handler_timeout' }),
    );
    const request: Waiting = { parts, settle, timer };
    this.#requests.add(request);
    this.#waiting.add(request);
    if (this.#waiting.size > this.limits.queueMax) this.#settle(request, { kind: 'failure', code: 'queue_full' });
    else if (this.images > 0) this.#begin(request);
    return { parts, cancel: () => this.#cancel(request) };
  }

  deployed(): void {
    this.isDeployed = true;
  }

  setLimits(limits: PoolLimits): void {
    this.limits = limits;
  }

  shrinkTo(images: number): void {
    this.images = Math.min(this.images, images);
  }

  memory(): HeapBytes {
    return { memoryBytes: this.images * 4_096, memoryLimitBytes: this.images * 65_536 };
  }

  figures(): PoolFigures {
    const queueLength = this.#waiting.size;
    return { queueLength, inFlight: this.#requests.size, images: this.images, threads: this.images };
  }

  failWaiting(code: Failure): void {
    for (const request of this.#waiting) this.#settle(request, { kind: 'failure', code });
  }

  retire(drainTimeoutMs: number, leftWith: Failure = 'handler_drain_forced'): Promise<RetireOutcome> {
    this.#factory.clock.after(drainTimeoutMs, () => this.#forced.resolve('forced'));
    return (this.#retirement ??= this.#retire(leftWith));
  }

  async #retire(leftWith: Failure): Promise<RetireOutcome> {
    this.retired = true;
    const empty = Promise.withResolvers<'drained'>();
    this.#onEmpty = () => empty.resolve('drained');
    if (this.#requests.size === 0) this.#onEmpty();
    const outcome = await Promise.race([empty.promise, this.#forced.promise]);
    for (const request of this.#requests) this.#settle(request, { kind: 'failure', code: leftWith });
    this.images = 0;
    return { outcome, stillMapped: false };
  }

  #begin(request: Waiting): void {
    this.#waiting.delete(request);
    this.#factory.handler(request.parts, outcome => this.#settle(request, outcome), this);
  }

  #cancel(request: Waiting): void {
    if (!this.#requests.has(request)) return;
    this.cancelled.push(request.parts.requestId);
    this.#forget(request);
  }

  #settle(request: Waiting, outcome: Outcome): void {
    if (!this.#requests.has(request)) return;
    this.#forget(request);
    request.settle(outcome);
  }

  #forget(request: Waiting): void {
    request.timer.cancel();
    this.#waiting.delete(request);
    this.#requests.delete(request);
    if (this.#requests.size > 0) return;
    this.#onEmpty?.();
    this.spec.events.idle();
  }
}

export class ManualPoolFactory implements PoolFactory {
  readonly clock: Clock;
  readonly pools: ManualPool[] = [];
  handler: ManualHandler;
  /** Gives a failure for generations that cannot be bound. */
  bindFailure: (spec: PoolSpec) => BindFailure | null = () => null;
  /** Holds a bind back until it resolves. */
  beforeBind: (pool: ManualPool) => Promise<void> = () => Promise.resolve();
  closed = false;

  constructor(clock: Clock, handler: ManualHandler) {
    this.clock = clock;
    this.handler = handler;
  }

  create(spec: PoolSpec): ManualPool {
    const pool = new ManualPool(spec, this);
    this.pools.push(pool);
    return pool;
  }

  figures(): { readonly standbyThreads: number; readonly librariesMapped: number } {
    return { standbyThreads: 2, librariesMapped: this.pools.reduce((images, pool) => images + pool.images, 0) };
  }

  /** The newest pool of a generation. */
  pool(endpoint: string, generation: number): ManualPool {
    const found = this.pools.findLast(({ spec }) => spec.endpoint === endpoint && spec.generation === generation);
    if (found === undefined) throw new Error(`generation ${generation} of ${endpoint} has had no pool`);
    return found;
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}
