import type { Lifecycle } from '../lifecycle/lifecycle.ts';
import type { EventBus } from '../observe/events.ts';
import type { HandlerLogs } from '../observe/handler-log.ts';
import type { Logger } from '../observe/log.ts';
import type { Metrics } from '../observe/metrics.ts';
import type { ProcessFigures } from '../protocol/control.ts';
import type { Store } from '../store/records.ts';

export interface ProcessView {
  readonly pid: number;
  readonly state: 'starting' | 'serving' | 'spare' | 'draining';
  /** Milliseconds since 1970. */
  readonly since: number;
  readonly faults: number;
}

/** The gateway processes, as far as the admin API shows them. */
export interface DataPlaneView {
  canServe(): boolean;
  processes(): readonly ProcessView[];
  /** Figures of all processes as one, counters of ended ones included; fresh from those that answer in time. */
  figures(): Promise<ProcessFigures>;
  /** Bytes the heaps of each endpoint's images occupied when figures were taken last: no longer than a second ago. */
  lastMemory(): ReadonlyMap<string, number>;
}

/** Everything the admin API works on. */
export interface AdminParts {
  readonly store: Store;
  readonly lifecycle: Lifecycle;
  readonly dataPlane: DataPlaneView;
  readonly events: EventBus;
  readonly handlerLogs: HandlerLogs;
  readonly metrics: Metrics;
  readonly log: Logger;
  readonly key: string;
  /** Host names, beside loopback, that the admin port answers to. */
  readonly allowedHosts: readonly string[];
  readonly version: string;
  readonly startedAt: number;
}
