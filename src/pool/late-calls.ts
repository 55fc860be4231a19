import { TIMER_MAX_MS } from '../protocol/clock.ts';
import type { MainGuard } from './guard.ts';
import { runningCalls, type RunningCall } from './running-calls.ts';
import type { WorkerLink } from './worker-link.ts';

interface LateCall extends Omit<RunningCall, 'link'> {
  dueMs: number;
}

/**
 * Calls that began under a longer handler timeout. The guard ends a call at the limit it was begun with, so one that burns
 * while the timeout is shortened would hold its worker, and all that waits for it, long after its client was answered.
 */
export class LateCalls {
  readonly #guard: MainGuard;
  readonly #now: () => number;
  #calls: LateCall[] = [];
  #timer: NodeJS.Timeout | null = null;

  constructor(guard: MainGuard, now: () => number) {
    this.#guard = guard;
    this.#now = now;
  }

  /** The timeout has changed by `byMs` to `timeoutMs`: what runs now began no later, and so has to be over by then. */
  timeoutChanged(workers: Iterable<WorkerLink>, byMs: number, timeoutMs: number): void {
    for (const call of this.#calls) call.dueMs += byMs;
    if (byMs < 0) this.#note(workers, this.#now() + timeoutMs);
    this.#arm();
  }

  close(): void {
    this.#calls = [];
    this.#arm();
  }

  #note(workers: Iterable<WorkerLink>, dueMs: number): void {
    for (const { slot, call } of runningCalls(workers, this.#guard)) {
      if (!this.#calls.some(one => one.slot === slot && one.call === call)) this.#calls.push({ slot, call, dueMs });
    }
  }

  #arm(): void {
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#calls.length === 0) return;
    const leftMs = Math.min(...this.#calls.map(({ dueMs }) => dueMs)) - this.#now();
    this.#timer = setTimeout(this.#onTimer, Math.min(Math.max(0, Math.ceil(leftMs)), TIMER_MAX_MS)).unref();
  }

  readonly #onTimer = (): void => {
    const now = this.#now();
    const running = this.#calls.filter(({ slot, call }) => this.#guard.running(slot) === call);
    for (const { slot, call, dueMs } of running) if (dueMs <= now) this.#guard.interrupt(slot, call);
    this.#calls = running.filter(({ dueMs }) => dueMs > now);
    this.#arm();
  };
}
