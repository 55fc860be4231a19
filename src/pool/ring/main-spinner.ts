import { SPINNING, SpinScore } from '../../protocol/spinning.ts';

/** Decides, once per turn of the event loop, whether the main thread looks for replies again at once or may sleep. */
export class MainSpinner {
  /** Few requests were in flight for a while, so that workers may spin, too. */
  isFew = false;
  readonly #score = new SpinScore();
  readonly #now: () => number;
  #wasAsked = false;
  /** Until when the loop goes on turning; 0: it does not. */
  #untilMs = 0;
  /** Most requests in flight at once, in this window and the one before. */
  #peak = 0;
  #peakBefore = 0;
  #windowEndsMs = 0;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
  }

  /** A request was handed out. */
  begin(): void {
    this.#wasAsked = true;
  }

  /** `inFlight`: requests still in flight after this turn. True: another turn should follow at once. */
  goesOn(inFlight: number): boolean {
    const nowMs = this.#now();
    this.#observe(inFlight, nowMs);
    if (this.#wasAsked && this.#untilMs === 0 && this.isFew && this.#score.isDue())
      this.#untilMs = nowMs + SPINNING.mainMs;
    this.#wasAsked = false;
    if (this.#untilMs === 0) return false;
    const isOver = inFlight === 0 || !this.isFew || nowMs >= this.#untilMs;
    if (!isOver) return true;
    if (inFlight === 0) this.#score.hit();
    else this.#score.miss();
    this.#untilMs = 0;
    return false;
  }

  #observe(inFlight: number, nowMs: number): void {
    if (nowMs >= this.#windowEndsMs) {
      this.#peakBefore = nowMs >= this.#windowEndsMs + SPINNING.windowMs ? 0 : this.#peak;
      this.#peak = 0;
      this.#windowEndsMs = nowMs + SPINNING.windowMs;
    }
    if (inFlight > this.#peak) this.#peak = inFlight;
    this.isFew = Math.max(this.#peak, this.#peakBefore) <= SPINNING.inFlightMax;
  }
}
