/** Least time between two trims. */
const TRIM_INTERVAL_MS = 1_000;
/** The first after a call keeps what was needed until then, the second gives that back too. */
const TRIMS_AFTER_CALL = 2;

/**
 * When a worker with nothing to do has its images give memory back: once in a while as long as there are calls, and
 * twice after the last one.
 */
export class TrimSchedule {
  #owed = 0;
  #dueMs: number | null = null;

  /** An image was called. */
  noteCall(): void {
    this.#owed = TRIMS_AFTER_CALL;
  }

  /** The images have given memory back. */
  noteTrim(nowMs: number): void {
    this.#owed = Math.max(0, this.#owed - 1);
    this.#dueMs = this.#owed === 0 ? null : nowMs + TRIM_INTERVAL_MS;
  }

  /** Milliseconds until they should; 0: now; Infinity: not before the next call. Time begins to count when first asked. */
  dueInMs(nowMs: number): number {
    if (this.#owed === 0) return Infinity;
    this.#dueMs ??= nowMs + TRIM_INTERVAL_MS;
    return Math.max(0, this.#dueMs - nowMs);
  }
}
