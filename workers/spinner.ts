import { monotonicNowMs } from '../src/protocol/clock.ts';
import { DOORBELL_WORD } from '../src/protocol/ring.ts';
import { SPINNING, SpinScore } from '../src/protocol/spinning.ts';

/** Looks between two readings of the clock, which costs as much as several of them. */
const LOOKS_PER_CLOCK = 16;

/** A worker's turn at spinning; the process has one for all of its workers. */
export class Spinner {
  readonly #doorbell: Int32Array;
  readonly #score = new SpinScore();

  constructor(doorbell: SharedArrayBuffer) {
    this.#doorbell = new Int32Array(doorbell);
  }

  /** Few requests are in flight in the process, so that spinning takes no processor from them. */
  get isAllowed(): boolean {
    return Atomics.load(this.#doorbell, DOORBELL_WORD.fewInFlight) === 1;
  }

  /** Looks for a short while. False: not found, or not worth looking. */
  find(isThere: () => boolean): boolean {
    if (!this.#score.isDue()) return false;
    const nowMs = monotonicNowMs();
    const turn = this.#takeTurn(nowMs);
    if (turn === null) return false;
    const isFound = this.#look(isThere, nowMs + SPINNING.workerMs);
    Atomics.compareExchange(this.#doorbell, DOORBELL_WORD.spinningUntil, turn, 0);
    if (isFound) this.#score.hit();
    else this.#score.miss();
    return isFound;
  }

  #look(isThere: () => boolean, untilMs: number): boolean {
    for (;;) {
      for (let looks = 0; looks < LOOKS_PER_CLOCK; looks += 1) {
        if (isThere()) return true;
        Atomics.pause();
      }
      if (!this.isAllowed || monotonicNowMs() >= untilMs) return isThere();
    }
  }

  /** null: another worker spins. A turn has an end of its own, for a thread may die in the middle of one. */
  #takeTurn(nowMs: number): number | null {
    const taken = Atomics.load(this.#doorbell, DOORBELL_WORD.spinningUntil);
    const nowUs = Math.trunc(nowMs * 1_000) | 0;
    const turnUs = 2 * SPINNING.workerMs * 1_000;
    const leftUs = (taken - nowUs) | 0;
    if (taken !== 0 && leftUs > 0 && leftUs <= turnUs) return null;
    // 0 says that nobody spins.
    const turn = (nowUs + turnUs) | 0 || 1;
    const seen = Atomics.compareExchange(this.#doorbell, DOORBELL_WORD.spinningUntil, taken, turn);
    return seen === taken ? turn : null;
  }
}
