import type { DrainOutcome } from '../store/records.ts';
import type { ProcessId } from './data-plane.ts';

interface Drain {
  readonly endpoint: string;
  readonly generation: number;
  readonly startedAt: number;
  readonly pending: Set<ProcessId>;
  outcome: DrainOutcome;
  readonly ended: PromiseWithResolvers<void>;
}

/** A generation that has ended in every process that held it. */
export interface EndedDrain {
  readonly endpoint: string;
  readonly generation: number;
  readonly outcome: DrainOutcome;
  readonly drainMs: number;
}

export const keyOf = (endpoint: string, generation: number): string => `${endpoint}#${generation}`;

/**
 * Which generations are draining, and in which gateway processes. A generation has ended when each of them has said so
 * or is gone; it is `forced` when any of them forced it. `onEnded` runs before `ended` resolves.
 */
export class DrainLedger {
  readonly #drains = new Map<string, Drain>();
  readonly #onEnded: (drain: EndedDrain) => void;
  readonly #now: () => number;

  constructor(options: { onEnded: (drain: EndedDrain) => void; now: () => number }) {
    this.#onEnded = options.onEnded;
    this.#now = options.now;
  }

  begin(endpoint: string, generation: number, holders: readonly ProcessId[]): void {
    const drain: Drain = {
      endpoint,
      generation,
      startedAt: this.#now(),
      pending: new Set(holders),
      outcome: 'drained',
      ended: Promise.withResolvers(),
    };
    this.#drains.set(keyOf(endpoint, generation), drain);
    if (drain.pending.size === 0) this.#end(drain);
  }

  retired(process: ProcessId, endpoint: string, generation: number, outcome: DrainOutcome): void {
    const drain = this.#drains.get(keyOf(endpoint, generation));
    if (drain !== undefined) this.#release(drain, process, outcome);
  }

  /** `isHeld` says which generations the process still has: it will not report any other. */
  reconcile(process: ProcessId, isHeld: (endpoint: string, generation: number) => boolean): void {
    for (const drain of this.#drains.values()) {
      if (!isHeld(drain.endpoint, drain.generation)) this.#release(drain, process, 'drained');
    }
  }

  /** The process has ended; what it still drained counts as forced unless it ended cleanly. */
  gone(process: ProcessId, clean: boolean): void {
    for (const drain of this.#drains.values()) this.#release(drain, process, clean ? 'drained' : 'forced');
  }

  isDraining(endpoint: string): boolean {
    return [...this.#drains.values()].some(drain => drain.endpoint === endpoint);
  }

  /** Resolves when every generation of the endpoint that drains now has ended. */
  async ended(endpoint: string): Promise<void> {
    const drains = [...this.#drains.values()].filter(drain => drain.endpoint === endpoint);
    await Promise.all(drains.map(drain => drain.ended.promise));
  }

  #release(drain: Drain, process: ProcessId, outcome: DrainOutcome): void {
    if (!drain.pending.delete(process)) return;
    if (outcome === 'forced') drain.outcome = 'forced';
    if (drain.pending.size === 0) this.#end(drain);
  }

  #end(drain: Drain): void {
    const { endpoint, generation, outcome } = drain;
    this.#drains.delete(keyOf(endpoint, generation));
    this.#onEnded({ endpoint, generation, outcome, drainMs: this.#now() - drain.startedAt });
    drain.ended.resolve();
  }
}
