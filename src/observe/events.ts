/** Everything that happens in the control plane and that somebody may want to hear of, in one union. */
import { EventEmitter } from 'node:events';
import type { FaultReport } from '../protocol/control.ts';
import type { BuildRecord, DrainOutcome, EndpointState, GenerationCause, GenerationState } from '../store/records.ts';
import type { Backtrace } from './backtrace/backtraces.ts';

export type ControlEvent =
  | {
      readonly type: 'endpoint';
      readonly endpoint: string;
      readonly change: 'created' | 'changed' | 'state' | 'deleted';
      readonly state: EndpointState;
      readonly generation: number | null;
    }
  | {
      readonly type: 'build_progress';
      readonly endpoint: string;
      readonly phase: 'waiting' | 'compiling';
      readonly crate: string | null;
    }
  | { readonly type: 'build_finished'; readonly endpoint: string; readonly build: BuildRecord }
  | {
      readonly type: 'build_failed';
      readonly endpoint: string;
      readonly code: string;
      readonly message: string;
      readonly durationMs: number;
    }
  | {
      readonly type: 'swap';
      readonly endpoint: string;
      readonly generation: number;
      readonly cause: GenerationCause;
      readonly swapMs: number;
      readonly loadMs: number;
    }
  | {
      readonly type: 'swap_failed';
      readonly endpoint: string;
      readonly generation: number;
      readonly code: string;
      readonly message: string;
    }
  | {
      readonly type: 'generation';
      readonly endpoint: string;
      readonly generation: number;
      readonly state: GenerationState;
      readonly outcome: DrainOutcome | null;
      /** Of a generation that has just retired: how long it drained. */
      readonly drainMs: number | null;
    }
  | {
      readonly type: 'fault';
      readonly endpoint: string;
      readonly generation: number;
      readonly requestId: string | null;
      readonly fault: FaultReport;
      readonly backtrace: Backtrace;
      /** What it was and where, in a line. */
      readonly message: string;
    }
  /** The generation that serves crashed so often in a row: a rollback or the state `error` follows. */
  | {
      readonly type: 'crash_loop';
      readonly endpoint: string;
      readonly generation: number;
      readonly crashes: number;
    }
  /** The gateway went back by itself: generation `to` serves the build of `restored` in place of `from`. */
  | {
      readonly type: 'rollback';
      readonly endpoint: string;
      readonly from: number;
      readonly to: number;
      readonly restored: number;
      readonly reason: 'crash_loop';
      readonly message: string;
    }
  | {
      readonly type: 'process';
      readonly pid: number;
      readonly state: 'starting' | 'spare' | 'serving' | 'draining' | 'ended';
      /** Of one that has ended and is replaced: why, in a few fixed words. */
      readonly reason: string | null;
    }
  /** The control plane could not do something that no call waits for. */
  | { readonly type: 'failure'; readonly message: string };

export type ControlEventType = ControlEvent['type'];
export type EventOf<T extends ControlEventType> = Extract<ControlEvent, { readonly type: T }>;

/** An event with its time, milliseconds since 1970. */
export type TimedEvent = ControlEvent & { readonly at: number };

/** Where the parts of the control plane tell what they did; listeners must not throw. */
export class EventBus {
  readonly #emitter = new EventEmitter().setMaxListeners(0);
  readonly #now: () => number;

  constructor(now: () => number = Date.now) {
    this.#now = now;
  }

  publish(event: ControlEvent): void {
    this.#emitter.emit('event', { ...event, at: this.#now() });
  }

  /** @returns a function that ends the subscription. */
  subscribe(listener: (event: TimedEvent) => void): () => void {
    this.#emitter.on('event', listener);
    return () => this.#emitter.off('event', listener);
  }
}
