/**
 * Messages between the supervisor (control plane) and a gateway process (data plane), over Node's IPC channel with
 * `serialization: 'advanced'`. Each union is named by its direction; a request carries `call`, its answer repeats it.
 *
 * The supervisor's word is a versioned state: `commit` carries one endpoint as it now is, and a gateway process makes
 * its own state equal to it. So applying a commit twice, or one that was also part of `start`, does no harm.
 */
import type { Settings } from '../config.ts';
import type { Fault, HandlerLogLine, HeapBytes } from './guard.ts';

/** What a gateway process has to know of a generation to load it. */
export interface GenerationSpec {
  readonly generation: number;
  /** Absolute path of the artifact; read-only, named by its content hash. */
  readonly artifactPath: string;
}

export interface RouteSpec {
  /** Host name in lower case, or "*". */
  readonly domain: string;
  readonly method: string;
  readonly path: string;
}

/** One endpoint as a gateway process sees it. */
export interface EndpointSpec {
  readonly id: string;
  readonly route: RouteSpec;
  /** The generation that serves; null: the route exists and nothing of it is loaded. */
  readonly serving: GenerationSpec | null;
  readonly timeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly threadsMax: number;
  /** Where the flip page tells of it, set with a commit; none: only messages do. */
  readonly flipPlace?: number | null;
}

/** The settings a gateway process needs; the admin key and the control plane's settings stay with the supervisor. */
export type DataPlaneSettings = Pick<
  Settings,
  | 'threadsMax'
  | 'sleepAfterSecs'
  | 'drainTimeoutSecs'
  | 'handlerMaxMemoryMb'
  | 'maxBodyMb'
  | 'bodiesMaxMb'
  | 'inFlightMax'
  | 'trustedProxies'
  | 'queueMax'
  | 'crashLoopFaults'
  | 'interruptsMax'
  | 'connectionsMax'
  | 'headersKbMax'
  | 'headersTimeoutSecs'
  | 'receiveTimeoutSecs'
  | 'sendStallSecs'
  | 'keepAliveSecs'
  | 'handlerLogLinesMax'
  | 'accessLog'
> & {
  /** `DATA_DIR/images`: private copies of artifacts live here between copy and unlink. */
  readonly imagesDir: string;
};

/** Why a generation could not be prepared; `code` is one of the guard's BIND_ERRORS or `copy_failed`, `worker_failed`, `no_threads`. */
export interface BindFailure {
  readonly code: string;
  readonly message: string;
}

export type PrepareOutcome = { readonly ok: true } | ({ readonly ok: false } & BindFailure);

/** Requests that expect an answer, with the answer's type. */
export interface ControlCalls {
  /** First message: settings and full state. Answered when every deployed endpoint is bound, asleep or in error. */
  start: {
    request: {
      readonly settings: DataPlaneSettings;
      /** The guard library; null while it is still being built, then a `guard` call follows before any prepare. */
      readonly guardPath: string | null;
      readonly version: number;
      readonly endpoints: readonly EndpointSpec[];
      /** Binds under way at once; 1 after a process died while binding, so that the next death names its cause. */
      readonly bindsAtOnce: number;
    };
    answer: { readonly failed: readonly ({ readonly endpoint: string } & BindFailure)[] };
  };
  guard: { request: { readonly guardPath: string }; answer: { readonly ok: true } };
  /** Accept connections on the inherited socket from now on. */
  accept: {
    /** `crashRows`: of the process whose place this one takes, so that crashes which replace processes add up all the same. */
    request: { readonly crashRows: readonly CrashRow[] };
    answer: { readonly ok: true };
  };
  /**
   * Bind images of a generation beside the one that serves; nothing is routed to it yet. `ahead`: its deploy is only likely,
   * so it takes no thread that others need, now (`no_threads`) or later. `ticket`: what the flip page calls it.
   */
  prepare: {
    request: { readonly endpoint: EndpointSpec; readonly ahead?: boolean; readonly ticket?: number };
    answer: PrepareOutcome;
  };
  /** Let go of a prepared generation that will not be committed. */
  abandon: { request: { readonly endpoint: string; readonly generation: number }; answer: { readonly ok: true } };
  /** Make one endpoint equal to `endpoint`; null: it is deleted. Answered when no new request sees the old state. */
  commit: {
    request: { readonly version: number; readonly id: string; readonly endpoint: EndpointSpec | null };
    /**
     * `draining`: requests in flight in older generations of this endpoint when the message came. `followed`: by then the
     * process sent new requests to the new generation, since the flip page was turned.
     */
    answer: { readonly version: number; readonly draining: number; readonly followed: boolean };
  };
  /** Figures as of now, for /metrics, /api/stats and the generations' counts. */
  figures: { request: Record<string, never>; answer: ProcessFigures };
  /**
   * Stop accepting, finish what is in flight (at most the drain timeout), end with status 0. New requests on open
   * connections get `shutting_down`; with `handover` (another process goes on accepting) they are still served.
   */
  shutdown: { request: { readonly handover?: boolean }; answer: ProcessFigures };
}

export type ControlCallName = keyof ControlCalls;

export type SupervisorToGateway = {
  [N in ControlCallName]: { readonly kind: N; readonly call: number } & ControlCalls[N]['request'];
}[ControlCallName];

export type GatewayToSupervisor =
  | { readonly kind: 'answer'; readonly call: number; readonly answer: unknown }
  /** The call itself failed: a fault of the gateway process. */
  | { readonly kind: 'failed'; readonly call: number; readonly message: string }
  | GatewayEvent;

/** What a gateway process tells on its own. */
export type GatewayEvent =
  /** Before an image is bound, so that a bind that kills the process has a name. */
  | { readonly kind: 'binding'; readonly endpoint: string; readonly generation: number }
  | { readonly kind: 'bound'; readonly endpoint: string; readonly generation: number }
  /** What was prepared ahead is bound no more: others needed its threads, or its worker was lost. */
  | { readonly kind: 'gave_way'; readonly endpoint: string; readonly generation: number }
  /** The last image of the generation is unmapped in this process. */
  | {
      readonly kind: 'retired';
      readonly endpoint: string;
      readonly generation: number;
      readonly outcome: 'drained' | 'forced';
      readonly requests: number;
      readonly drainMs: number;
    }
  /** The serving generation cannot be bound any more, or keeps crashing at start. */
  | ({ readonly kind: 'endpoint_failed'; readonly endpoint: string; readonly generation: number } & BindFailure)
  /** The serving generation has crashed so often in a row that this process gives it no more requests. */
  | { readonly kind: 'crash_loop'; readonly endpoint: string; readonly generation: number; readonly crashes: number }
  | {
      readonly kind: 'fault';
      readonly endpoint: string;
      readonly generation: number;
      readonly requestId: string | null;
      readonly fault: FaultReport;
    }
  | {
      readonly kind: 'handler_log';
      readonly endpoint: string;
      readonly generation: number;
      readonly lines: readonly RequestLogLine[];
    }
  | { readonly kind: 'access_log'; readonly lines: readonly AccessLogLine[] }
  /** The gateway process's own log. */
  | {
      readonly kind: 'log';
      readonly level: 'debug' | 'info' | 'warn' | 'error';
      readonly message: string;
      readonly fields: Record<string, unknown>;
    }
  /** The process should be replaced soon: it may hold damage that a fresh one does not. */
  | { readonly kind: 'replace_me'; readonly reason: ReplaceReason; readonly message: string };

/**
 * Why a process should be replaced, in a word that can be a metric's label. `suspect`: something foreign may be damaged,
 * an image did not unmap or a call cannot be ended. `interrupts`: INTERRUPTS_MAX is used up.
 */
export type ReplaceReason = 'suspect' | 'interrupts';

/** A fault for the log. `message`: what a panic said, and where, or words for a fault that its kind does not tell; else null. */
export type FaultReport = Fault & { readonly message: string | null };

export interface RequestLogLine extends HandlerLogLine {
  readonly requestId: string | null;
  readonly at: number;
}

export interface AccessLogLine {
  readonly at: number;
  readonly requestId: string;
  readonly endpoint: string | null;
  readonly generation: number | null;
  readonly clientIp: string;
  readonly method: string;
  readonly path: string;
  readonly status: number;
  readonly durationMs: number;
  readonly bytes: number;
}

/** Counters and gauges of one gateway process. Counters only grow while the process lives. */
export interface ProcessFigures {
  readonly inFlight: number;
  readonly requestsTotal: number;
  /** Of all endpoints, also those that are deleted by now. */
  readonly faultsTotal: number;
  readonly librariesMapped: number;
  readonly workerThreads: { readonly serving: number; readonly standby: number };
  readonly generations: readonly GenerationFigures[];
  readonly endpoints: readonly EndpointFigures[];
  /** Requests that met no endpoint, by status class. */
  readonly unrouted: Readonly<Record<string, number>>;
  /** Open connections of clients. */
  readonly connections: number;
  /** Connections this process closed against the client's will, by reason. */
  readonly connectionsClosed: Readonly<Record<string, number>>;
  readonly memoryBytes: number;
  readonly cpuSeconds: number;
}

/** How often a generation has crashed in a row, with no good answer since. */
export interface CrashRow {
  readonly endpoint: string;
  readonly generation: number;
  readonly crashes: number;
}

export interface GenerationFigures extends HeapBytes, CrashRow {
  readonly state: 'serving' | 'draining' | 'prepared';
  readonly asleep: boolean;
  readonly inFlight: number;
  readonly requests: number;
  readonly images: number;
}

export interface EndpointFigures extends HeapBytes {
  readonly endpoint: string;
  readonly inFlight: number;
  readonly queueLength: number;
  /** By status class: "2xx" … */
  readonly requests: Readonly<Record<string, number>>;
  readonly panics: number;
  /** By fault kind. */
  readonly faults: Readonly<Record<string, number>>;
  /** By reason. */
  readonly recycled: Readonly<Record<string, number>>;
  /** Requests turned away before they started, by the code they were answered with: "queue_full" … */
  readonly rejected: Readonly<Record<string, number>>;
  /** Log lines that were dropped, because a worker thread may write only so many a second. */
  readonly logLinesDropped: number;
  readonly duration: Histogram;
}

export interface Histogram {
  /** Observations at or below each of DURATION_BUCKETS_SECONDS, not cumulative, one more for what is above. */
  readonly counts: readonly number[];
  readonly sum: number;
}

export const DURATION_BUCKETS_SECONDS = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30,
] as const;
