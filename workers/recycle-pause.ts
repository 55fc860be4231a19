/** Crashes in a row after which a fresh image is bound at once: one may be chance, and two. */
const FREE_CRASHES = 2;
/** First and longest pause. With the longest, a worker whose every request crashes costs a fresh image four times a second. */
const PAUSE_MS = { first: 10, longest: 250 };

/** How long a worker waits before it binds a fresh image, after so many crashes in a row: from the third on, doubling. */
export function recyclePauseMs(crashes: number): number {
  if (crashes <= FREE_CRASHES) return 0;
  return Math.min(PAUSE_MS.longest, PAUSE_MS.first * 2 ** (crashes - FREE_CRASHES - 1));
}

/**
 * The back-off of one worker whose images keep crashing: binding a fresh one for every request of a crash loop would
 * take processor time from everybody. A good answer ends it.
 */
export class RecyclePause {
  #isOff: boolean;
  #crashes = 0;
  #endsMs = 0;

  /** `isOff`: there are no pauses at all. */
  constructor(isOff: boolean) {
    this.#isOff = isOff;
  }

  crashed(nowMs: number): void {
    this.#crashes += 1;
    this.#endsMs = nowMs + recyclePauseMs(this.#crashes);
  }

  answered(): void {
    this.#crashes = 0;
    this.#endsMs = 0;
  }

  /** No pauses from now on: the worker is to finish what it has. */
  turnOff(): void {
    this.#isOff = true;
  }

  /** Milliseconds until a fresh image may be bound; 0: it may be now. */
  leftMs(nowMs: number): number {
    return this.#isOff ? 0 : Math.max(0, this.#endsMs - nowMs);
  }
}
