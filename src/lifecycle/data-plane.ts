/** What the control plane's decisions need of the gateway processes; implemented in `src/supervisor/`. */
import type { BindFailure, EndpointSpec, PrepareOutcome, ProcessFigures } from '../protocol/control.ts';

/** A gateway process is known by its process id. */
export type ProcessId = number;

export interface DataPlane {
  /** Processes that accept requests or did: each may hold the generation that serves now. */
  holders(): readonly ProcessId[];

  /**
   * Binds the spec's generation in every serving process; the first failure decides, and the caller abandons. `ahead`: for a
   * deploy that may never come.
   */
  prepare(endpoint: EndpointSpec, ahead?: boolean): Promise<PrepareOutcome>;

  /** Whether every serving process has prepared it ahead, as far as is known, so that `prepare` would have nothing to do. */
  hasPrepared(endpoint: EndpointSpec): boolean;

  /** Lets go of a prepared generation in every process. Never rejects. */
  abandon(endpoint: string, generation: number): Promise<void>;

  /**
   * Makes `endpoint` what new requests see, in every process (null: deleted); a process that does not acknowledge in
   * time is replaced first. The processes are told before this returns its promise. Never rejects.
   */
  commit(id: string, endpoint: EndpointSpec | null): Promise<Committed>;

  /** Figures of every process that answers, as of now. */
  figures(): Promise<readonly ProcessFigures[]>;
}

export interface Committed {
  /** Requests then in flight in older generations of the endpoint. */
  readonly requestsLeft: number;
  /** When the last process had flipped, on the clock of `performance.now()`; it may have been known only later. */
  readonly flippedAt: number;
}

/** What the gateway processes tell the control plane. */
export interface DataPlaneListener {
  /** The generation's last image is unmapped in this process. */
  retired(process: ProcessId, report: RetiredReport): void;
  /** The serving generation cannot be bound, or keeps crashing at start. */
  endpointFailed(endpoint: string, generation: number, failure: BindFailure): void;
  /** The serving generation has crashed so often in a row that the process gives it no more requests. */
  crashLooped(endpoint: string, generation: number, crashes: number): void;
  /** A process has bound what is deployed, except for `failed`, and serves. */
  started(served: readonly EndpointSpec[], failed: readonly ({ readonly endpoint: string } & BindFailure)[]): void;
  /** Figures of a process, taken about once a second. */
  polled(process: ProcessId, figures: ProcessFigures): void;
  /** The process has ended; `clean`: it had finished its requests. `figures`: the last it gave, without retired generations. */
  gone(process: ProcessId, end: { readonly clean: boolean; readonly figures: ProcessFigures | null }): void;
}

export interface RetiredReport {
  readonly endpoint: string;
  readonly generation: number;
  readonly outcome: 'drained' | 'forced';
  readonly requests: number;
}
