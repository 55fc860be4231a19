const FIRST_MS = 100;
const MOST_MS = 10_000;

/** Pauses between attempts that fail: doubled with each, up to a limit, and short again after a success. */
export class BackOff {
  #failures = 0;

  /** The pause after one more failure, in milliseconds. */
  next(): number {
    const pauseMs = Math.min(MOST_MS, FIRST_MS * 2 ** this.#failures);
    this.#failures += 1;
    return pauseMs;
  }

  reset(): void {
    this.#failures = 0;
  }
}
