import type { Clock, Timer } from '../../src/serving/clock.ts';

/** A clock that stands still until a test moves it. */
export class ManualClock implements Clock {
  #nowMs = 1_000;
  readonly #timers = new Set<{ readonly dueMs: number; readonly action: () => void }>();

  nowMs(): number {
    return this.#nowMs;
  }

  wallMs(): number {
    return 1_700_000_000_000 + this.#nowMs;
  }

  after(delayMs: number, action: () => void): Timer {
    const timer = { dueMs: this.#nowMs + delayMs, action };
    this.#timers.add(timer);
    return { cancel: () => void this.#timers.delete(timer) };
  }

  /** Moves on by `ms`, running what becomes due in order, and lets promises settle in between. */
  async advance(ms: number): Promise<void> {
    const endMs = this.#nowMs + ms;
    await settled();
    for (;;) {
      const due = [...this.#timers].filter(timer => timer.dueMs <= endMs).sort((a, b) => a.dueMs - b.dueMs)[0];
      if (due === undefined) break;
      this.#timers.delete(due);
      this.#nowMs = Math.max(this.#nowMs, due.dueMs);
      due.action();
      await settled();
    }
    this.#nowMs = endMs;
  }
}

/** Every promise that was resolved by now has run what waits for it. */
export function settled(): Promise<void> {
  return new Promise(resolve => {
    setImmediate(resolve);
  });
}
