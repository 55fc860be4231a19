/**
 * What the main thread and a worker thread say to each other beside the rings: the tasks a worker is given through
 * Piscina, and the messages on the port of a serve task, named by direction.
 */
import type { MessagePort } from 'node:worker_threads';
import type { BindFailure, FaultReport, RequestLogLine } from './control.ts';
import type { CancelReason } from './frame.ts';

/** `workerData` of every handler thread. */
export interface WorkerSettings {
  readonly guardPath: string;
  /** Native stack of guarded calls. */
  readonly stackBytes: number;
  /** Log lines of handlers that the thread hands on in a second; 0: any number. */
  readonly logLinesMax: number;
}

/** What a worker needs to bind an image, for the first time and after every fault. */
export interface ImageSpec {
  readonly endpoint: string;
  readonly generation: number;
  readonly artifactPath: string;
  readonly imagesDir: string;
  readonly arenaBytes: number;
  readonly bindTimeoutMs: number;
  /** A worker whose images keep crashing waits before it binds a fresh one. */
  readonly pausesRecycles: boolean;
  /** Nobody has asked to deploy the generation yet: until `deployed`, images have a name that says so. */
  readonly ahead: boolean;
}

export type WorkerTask =
  /** Loads what every serve needs, so that a swap does not pay for it. */
  | WarmTask
  /** Ends the thread; the task never completes. */
  | { readonly kind: 'end' }
  | ServeTask;

export interface WarmTask {
  readonly kind: 'warm';
  /** One word: the warm tasks begun. Each waits for all others, so that no thread takes the task of another one. */
  readonly begun: SharedArrayBuffer;
  readonly threads: number;
}

/** Bind an image, take requests until told to stop, unbind. Completes with a ServeResult when the worker is blank again. */
export interface ServeTask {
  readonly kind: 'serve';
  /** Index of the worker in the request ring. */
  readonly worker: number;
  readonly image: ImageSpec;
  readonly ring: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly port: MessagePort;
}

/** How a serve task ended; either way its images are gone. `crashed`: by an exception, which is a fault of the gateway. */
export type ServeResult = { readonly kind: 'ended' } | { readonly kind: 'crashed'; readonly message: string };

export type MainToWorker =
  | { readonly kind: 'cancel'; readonly requests: readonly number[]; readonly reason: CancelReason }
  /** The frame that a ticket stood for. */
  | { readonly kind: 'frame'; readonly request: number; readonly frame: ArrayBuffer }
  /**
   * The handler timeout has changed: the deadline of every request by number. Not by how much they move: a request that is
   * taken in between has its new deadline already, or not.
   */
  | { readonly kind: 'deadlines'; readonly deadlinesMs: ReadonlyMap<number, number> }
  /** From now on bind fresh images without a pause: the pool is to be emptied. */
  | { readonly kind: 'end_pauses' }
  /** The generation that was prepared ahead is deployed: images have its name from now on. */
  | { readonly kind: 'deployed' }
  /** Take no more requests; when those it has are finished, unbind and return. */
  | { readonly kind: 'stop' };

export type WorkerToMain =
  /** The first image is bound; `slot` is the thread's number in the guard. */
  | { readonly kind: 'bound'; readonly slot: number }
  /** An image could not be bound: the worker ends. */
  | { readonly kind: 'bind_failed'; readonly failure: BindFailure }
  | { readonly kind: 'recycled'; readonly reason: string }
  | { readonly kind: 'fault'; readonly requestId: string | null; readonly fault: FaultReport }
  /** The guard could not unmap an image. */
  | { readonly kind: 'still_mapped' }
  | { readonly kind: 'frame_wanted'; readonly request: number }
  /** A record for which the reply ring had no room. */
  | { readonly kind: 'record'; readonly record: ArrayBuffer }
  /** `dropped`: lines that are not among them, being too many. */
  | { readonly kind: 'log'; readonly lines: readonly RequestLogLine[]; readonly dropped: number };
