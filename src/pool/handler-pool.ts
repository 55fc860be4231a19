/**
 * How the rest of the gateway reaches handlers: one `HandlerPool` serves one generation. Nothing in this interface says
 * how a request travels to a worker thread; every implementation passes the same conformance suite
 * (`test/pool/conformance.ts`).
 */
import type { FaultReport, BindFailure, RequestLogLine } from '../protocol/control.ts';
import type { Reply, RequestParts } from '../protocol/frame.ts';
import type { HeapBytes } from '../protocol/guard.ts';

/** Why a request ended without a reply of its handler. */
export type Failure =
  | 'handler_panicked'
  | 'handler_crashed'
  | 'handler_memory_exceeded'
  | 'handler_invalid_response'
  | 'handler_timeout'
  | 'handler_drain_forced'
  | 'endpoint_not_loaded'
  | 'queue_full'
  | 'internal_error';

export type Outcome =
  { readonly kind: 'reply'; readonly reply: Reply } | { readonly kind: 'failure'; readonly code: Failure };

/** One request in a pool. `settle` is called exactly once, unless the client left first (`cancel`): then never. */
export interface Invocation {
  readonly parts: RequestParts;
  /** The client is gone: a request not yet started never starts, a started one is dropped at its next suspension. */
  cancel(): void;
}

export type PoolState = 'binding' | 'ready' | 'draining' | 'retired';

/** What happens in a pool beside replies; the owner turns it into logs, metrics and decisions. */
export interface PoolEvents {
  /** About to bind an image (before) and done with it (after): a bind that kills the process has a name. */
  binding(): void;
  bound(): void;
  /** `dropped`: lines that are missing among them, for a worker may write only so many a second. */
  log(lines: readonly RequestLogLine[], dropped: number): void;
  fault(requestId: string | null, fault: FaultReport): void;
  /** An image was thrown away and a fresh one bound on the same thread. */
  recycled(reason: string): void;
  /** A fresh image could not be bound: this worker serves no more. */
  bindFailed(failure: BindFailure): void;
  /** No request is left, queued or started. */
  idle(): void;
  /** Requests wait while every worker is busy: may the pool take one thread more? */
  mayGrow(): boolean;
  /** The process should be replaced: something foreign may be damaged. */
  suspect(reason: string): void;
}

export interface PoolLimits {
  readonly timeoutMs: number;
  readonly threadsMax: number;
  readonly queueMax: number;
  readonly inFlightMax: number;
}

export interface PoolFigures {
  /** Requests waiting to be started. */
  readonly queueLength: number;
  /** Requests given to this pool and not finished: waiting, running, suspended, or being dropped. */
  readonly inFlight: number;
  readonly images: number;
  /** Worker threads, whether they have an image or not. */
  readonly threads: number;
}

export interface RetireOutcome {
  /** `forced`: requests were still running when the time was up. */
  readonly outcome: 'drained' | 'forced';
  /** An image that would not unmap: the process has to be replaced. */
  readonly stillMapped: boolean;
}

export interface HandlerPool {
  /** Binds `images` images, each on a worker of its own. Resolves to null, or to why the first one failed. */
  bind(images: number): Promise<BindFailure | null>;

  /**
   * Hands one request to a worker. Never throws and never blocks: a full ring waits in the pool's queue, a queue over
   * its limit settles with `queue_full`. The deadline is now + `timeoutMs`. May be called before `bind` has finished:
   * the request waits for the first image, and settles with `endpoint_not_loaded` if there comes none.
   */
  invoke(parts: RequestParts, settle: (outcome: Outcome) => void): Invocation;

  /** What was made ahead of its deploy is deployed. */
  deployed(): void;

  /** New limits, also for requests under way. */
  setLimits(limits: PoolLimits): void;

  /** Lets go of idle workers until `images` are left (at least 1); busy ones follow when they have nothing to do. */
  shrinkTo(images: number): void;

  figures(): PoolFigures;

  /** Memory of the heaps of its images, as the system sees it. Microseconds for each image: nothing for every request. */
  memory(): HeapBytes;

  /** Settles every request that was not started with `code`; those that were go on. */
  failWaiting(code: Failure): void;

  /**
   * Ends the pool: requests in it finish, at most until `drainTimeoutMs` have passed; those still there are settled with
   * `leftWith`, by default `handler_drain_forced`, and dropped. Resolves when every image is unmapped; the threads are
   * blank then. Called again, it may shorten the time.
   */
  retire(drainTimeoutMs: number, leftWith?: Failure): Promise<RetireOutcome>;
}

export interface PoolSpec {
  readonly endpoint: string;
  readonly generation: number;
  readonly artifactPath: string;
  /** It is made ahead of a deploy that may never come. */
  readonly ahead: boolean;
  readonly limits: PoolLimits;
  readonly events: PoolEvents;
}

/** Makes pools out of blank, warm ones, and takes their threads back. */
export interface PoolFactory {
  /** A pool without images; `bind` follows. */
  create(spec: PoolSpec): HandlerPool;
  figures(): { readonly standbyThreads: number; readonly librariesMapped: number };
  /** Ends the threads of standby. Pools must have been retired before. */
  close(): Promise<void>;
}
