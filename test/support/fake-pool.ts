/** Handler pools without threads and native code: handlers are functions of the test's own process. */
import type { BindFailure } from '../../src/protocol/control.ts';
import type { Reply, RequestParts } from '../../src/protocol/frame.ts';
import { faultOf, type HeapBytes } from '../../src/protocol/guard.ts';
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

/** What a fake handler may do beside answering. */
export interface FakeCall {
  /** Aborted when the request is dropped: at its deadline, when the client leaves, in a forced drain. */
  readonly signal: AbortSignal;
  readonly log: (message: string) => void;
}

/** Answers one request; throwing is a panic. */
export type FakeHandler = (parts: RequestParts, call: FakeCall) => Reply | Promise<Reply>;

export const fakeReply = (status: number, body = '', headers: readonly string[] = []): Reply => ({
  status,
  headers,
  body: Buffer.from(body),
});

interface FakeRequest {
  readonly parts: RequestParts;
  readonly abort: AbortController;
  settle: ((outcome: Outcome) => void) | null;
  timer: NodeJS.Timeout | null;
  startedAt: number;
}

const failure = (code: Failure): Outcome => ({ kind: 'failure', code });

/** A pool whose images are a number, and whose requests all run at once in the main thread. */
export class FakePool implements HandlerPool {
  readonly #spec: PoolSpec;
  readonly #handler: FakeHandler | BindFailure;
  readonly #queue = new Set<FakeRequest>();
  readonly #running = new Set<FakeRequest>();
  #limits: PoolLimits;
  #images = 0;
  #hasFailed = false;
  #retired: Promise<RetireOutcome> | null = null;
  readonly #drainOver = Promise.withResolvers<false>();
  #onEmpty: (() => void) | null = null;

  /** With a BindFailure instead of a handler, every bind fails. */
  constructor(spec: PoolSpec, handler: FakeHandler | BindFailure) {
    this.#spec = spec;
    this.#limits = spec.limits;
    this.#handler = handler;
  }

  async bind(images: number): Promise<BindFailure | null> {
    this.#spec.events.binding();
    await Promise.resolve();
    this.#spec.events.bound();
    if (typeof this.#handler === 'function') {
      this.#images += Math.max(1, images);
      this.#pump();
      return null;
    }
    this.#hasFailed = true;
    for (const request of this.#queue) this.#finish(request, failure('endpoint_not_loaded'));
    return this.#handler;
  }

  invoke(parts: RequestParts, settle: (outcome: Outcome) => void): Invocation {
    const request: FakeRequest = { parts, abort: new AbortController(), settle, timer: null, startedAt: Date.now() };
    this.#arm(request);
    const refusal = this.#refusal();
    this.#queue.add(request);
    if (refusal === null) this.#pump();
    else queueMicrotask(() => this.#finish(request, failure(refusal)));
    return {
      parts,
      cancel: () => {
        request.settle = null;
        this.#drop(request);
      },
    };
  }

  deployed(): void {}

  setLimits(limits: PoolLimits): void {
    this.#limits = limits;
    for (const request of [...this.#queue, ...this.#running]) this.#arm(request);
    this.shrinkTo(limits.threadsMax);
    this.#pump();
  }

  shrinkTo(images: number): void {
    this.#images = Math.min(this.#images, Math.max(1, images));
  }

  memory(): HeapBytes {
    return { memoryBytes: this.#images * 4_096, memoryLimitBytes: this.#images * 65_536 };
  }

  figures(): PoolFigures {
    const inFlight = this.#queue.size + this.#running.size;
    return { queueLength: this.#queue.size, inFlight, images: this.#images, threads: this.#images };
  }

  failWaiting(code: Failure): void {
    for (const request of this.#queue) this.#finish(request, failure(code));
  }

  retire(drainTimeoutMs: number, leftWith: Failure = 'handler_drain_forced'): Promise<RetireOutcome> {
    if (this.#retired === null) this.#retired = this.#retire(drainTimeoutMs, leftWith);
    else setTimeout(() => this.#drainOver.resolve(false), drainTimeoutMs).unref();
    return this.#retired;
  }

  async #retire(drainTimeoutMs: number, leftWith: Failure): Promise<RetireOutcome> {
    const drained = await Promise.race([this.#emptyWithin(drainTimeoutMs), this.#drainOver.promise]);
    for (const request of [...this.#queue, ...this.#running]) {
      request.settle?.(failure(leftWith));
      request.settle = null;
      this.#drop(request);
    }
    this.#images = 0;
    return { outcome: drained ? 'drained' : 'forced', stillMapped: false };
  }

  #emptyWithin(timeoutMs: number): Promise<boolean> {
    if (this.figures().inFlight === 0) return Promise.resolve(true);
    return new Promise(resolve => {
      const timer = setTimeout(resolve, timeoutMs, false);
      this.#onEmpty = () => {
        clearTimeout(timer);
        resolve(true);
      };
    });
  }

  #refusal(): Failure | null {
    if (this.#retired !== null || this.#hasFailed) return 'endpoint_not_loaded';
    const hasRoom = this.#images > 0 && this.#running.size < this.#limits.inFlightMax;
    return this.#queue.size < this.#limits.queueMax || hasRoom ? null : 'queue_full';
  }

  #arm(request: FakeRequest): void {
    if (request.timer !== null) clearTimeout(request.timer);
    const leftMs = Math.max(0, request.startedAt + this.#limits.timeoutMs - Date.now());
    request.timer = setTimeout(() => {
      request.settle?.(failure('handler_timeout'));
      request.settle = null;
      this.#drop(request);
    }, leftMs);
  }

  #pump(): void {
    for (const request of this.#queue) {
      if (this.#images === 0 || this.#running.size >= this.#limits.inFlightMax) return;
      this.#queue.delete(request);
      this.#running.add(request);
      void this.#run(request);
    }
  }

  async #run(request: FakeRequest): Promise<void> {
    if (typeof this.#handler !== 'function') return;
    const { requestId } = request.parts;
    const log = (message: string): void =>
      this.#spec.events.log([{ level: 'info', message, requestId, at: Date.now() }], 0);
    try {
      const reply = await this.#handler(request.parts, { signal: request.abort.signal, log });
      this.#finish(request, { kind: 'reply', reply });
    } catch (error) {
      if (!this.#running.has(request)) return;
      const message = error instanceof Error ? error.message : String(error);
      this.#spec.events.fault(requestId, { ...faultOf('panic'), message });
      this.#finish(request, failure('handler_panicked'));
      this.#spec.events.recycled('panic');
    }
  }

  #drop(request: FakeRequest): void {
    request.abort.abort();
    this.#finish(request, failure('internal_error'));
  }

  #finish(request: FakeRequest, outcome: Outcome): void {
    if (!this.#queue.delete(request) && !this.#running.delete(request)) return;
    if (request.timer !== null) clearTimeout(request.timer);
    request.settle?.(outcome);
    request.settle = null;
    this.#pump();
    if (this.figures().inFlight > 0) return;
    this.#onEmpty?.();
    this.#spec.events.idle();
  }
}

/** Makes fake pools; `handlerOf` chooses the handler of a generation, or why it cannot be bound. */
export function createFakePoolFactory(handlerOf: (spec: PoolSpec) => FakeHandler | BindFailure): PoolFactory {
  const pools: FakePool[] = [];
  return {
    create(spec) {
      const pool = new FakePool(spec, handlerOf(spec));
      pools.push(pool);
      return pool;
    },
    figures: () => ({
      standbyThreads: 0,
      librariesMapped: pools.reduce((sum, pool) => sum + pool.figures().images, 0),
    }),
    close: () => Promise.resolve(),
  };
}
