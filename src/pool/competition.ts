/**
 * Most of one endpoint's requests that the main thread takes up in one turn of the event loop, and most of its replies that
 * it writes, while endpoints compete: so long does a request of another one wait for the loop to come round to it.
 */
export const TURN_SHARE = 2;

/** Endpoints asked within so long compete for the main thread; one that is alone may have all of it. */
const MEMORY_MS = 1_000;

/** Whether more than one of them wants the main thread. */
export class Competition<Competitor extends object> {
  #latest: Competitor | null = null;
  #hasChanged = false;
  #untilMs = 0;

  /** It wants something. */
  see(competitor: Competitor): void {
    if (competitor === this.#latest) return;
    this.#hasChanged = this.#latest !== null;
    this.#latest = competitor;
  }

  isOn(nowMs: number): boolean {
    if (this.#hasChanged) {
      this.#hasChanged = false;
      this.#untilMs = nowMs + MEMORY_MS;
    }
    return nowMs < this.#untilMs;
  }
}
