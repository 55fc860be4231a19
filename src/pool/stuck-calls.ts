import type { MainGuard } from './guard.ts';
import { runningCalls } from './running-calls.ts';
import type { WorkerLink } from './worker-link.ts';

const LOOK_INTERVAL_MS = 2_000;
/** So long after its time is up a call has been interrupted, wherever it was; also where processors are short. */
const GRACE_MS = 5_000;

interface SeenCall {
  readonly call: bigint;
  /** Looks in a row that have seen it. Not the time, which goes on while the whole process is stopped. */
  readonly looks: number;
}

export interface StuckCallsOptions {
  readonly guard: MainGuard;
  readonly workers: Iterable<WorkerLink>;
  /** How long the guard lets a call run. */
  readonly limitMs: () => number;
  readonly onStuck: (link: WorkerLink) => void;
}

/**
 * Looks for calls that nothing can end, as one that hangs in the kernel or has blocked the guard's signal. Such a call has
 * its worker for ever, so the process has to be replaced.
 */
export class StuckCalls {
  readonly #options: StuckCallsOptions;
  readonly #timer = setInterval(() => this.look(), LOOK_INTERVAL_MS).unref();
  /** By slot: the call that ran there at the last look. */
  #seen = new Map<number, SeenCall>();

  constructor(options: StuckCallsOptions) {
    this.#options = options;
  }

  /** The limit is another one: calls that run have the one they began with, and are interrupted within the new one. */
  limitChanged(): void {
    this.#seen = new Map();
  }

  look(): void {
    const { guard, workers, limitMs, onStuck } = this.#options;
    const seen = new Map<number, SeenCall>();
    for (const { link, slot, call } of runningCalls(workers, guard)) {
      const before = this.#seen.get(slot);
      const looks = before?.call === call ? before.looks + 1 : 0;
      seen.set(slot, { call, looks });
      if (looks * LOOK_INTERVAL_MS > limitMs() + GRACE_MS) onStuck(link);
    }
    this.#seen = seen;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}
