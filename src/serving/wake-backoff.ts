/** Longest pause between two attempts to wake an endpoint whose library cannot be bound. */
const PAUSE_MAX_MS = 30_000;
const FIRST_PAUSE_MS = 500;

/** Pause before the next attempt to wake a generation after `failures` failed ones in a row: half a second, doubling. */
export function wakePauseMs(failures: number): number {
  return failures === 0 ? 0 : Math.min(PAUSE_MAX_MS, FIRST_PAUSE_MS * 2 ** (failures - 1));
}

/** When a generation whose library could not be bound may be woken again. */
export class WakeBackOff {
  #failures = 0;
  #notBeforeMs = 0;

  allows(nowMs: number): boolean {
    return nowMs >= this.#notBeforeMs;
  }

  failed(nowMs: number): void {
    this.#failures += 1;
    this.#notBeforeMs = nowMs + wakePauseMs(this.#failures);
  }

  reset(): void {
    this.#failures = 0;
    this.#notBeforeMs = 0;
  }
}
