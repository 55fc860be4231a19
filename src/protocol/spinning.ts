/**
 * Spinning: looking again and again for a short while, before a thread goes to sleep.
 *
 * Reason: waking a thread that sleeps takes 20 to 80 µs, more than all the rest of a small request. Gain: `npm run
 * bench:dispatch` with one connection. Catch: a processor is busy meanwhile, which somebody else may need. So there is
 * spinning only while few requests are in flight, by one worker of the process at a time, and seldom where it was in vain.
 */
export const SPINNING = {
  /** Most requests in flight in the process while there is spinning. */
  inFlightMax: 2,
  /** So many as were in flight at once within so long. */
  windowMs: 5,
  /** How long a worker looks for its next request, and the main thread for replies. */
  workerMs: 0.3,
  mainMs: 0.15,
} as const;

/** After so many times in vain in a row, it is tried every 64th time. */
const MISSES_MAX = 6;

/** Whether spinning is worth it for a thread, judged by how it went before: each time in vain makes it half as frequent. */
export class SpinScore {
  #misses = 0;
  #skips = 0;

  /** Asked once for each occasion. */
  isDue(): boolean {
    if (this.#skips === 0) return true;
    this.#skips -= 1;
    return false;
  }

  hit(): void {
    this.#misses = 0;
  }

  miss(): void {
    this.#misses = Math.min(this.#misses + 1, MISSES_MAX);
    this.#skips = 2 ** this.#misses - 1;
  }
}
