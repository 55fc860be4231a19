import { decideScaling, type ScalingSnapshot } from './scaling.ts';

export interface ScalerEffects {
  /** Requests wait: has to lead to another `observe` soon, whatever the event loop is busy with. */
  look(): void;
  grow(): void;
  shrink(): void;
}

/** Requests left in the ring are looked at again after so long: their worker may be burning while another one is parked. */
const LOOK_AGAIN_MS = 2;
const SHRINK_INTERVAL_MS = 5_000;

/** Asks `decideScaling` at the right moments and carries its answer out. */
export class Scaler {
  readonly #snapshot: () => Omit<ScalingSnapshot, 'allBusyAtMs'>;
  readonly #effects: ScalerEffects;
  #allBusyAtMs = 0;
  #lookTimer: NodeJS.Timeout | null = null;
  readonly #shrinkTimer: NodeJS.Timeout;

  constructor(snapshot: () => Omit<ScalingSnapshot, 'allBusyAtMs'>, effects: ScalerEffects) {
    this.#snapshot = snapshot;
    this.#effects = effects;
    this.#allBusyAtMs = snapshot().nowMs;
    this.#shrinkTimer = setInterval(() => this.#decide(), SHRINK_INTERVAL_MS);
    this.#shrinkTimer.unref();
  }

  /** Once per turn in which the pool had something to do. */
  observe(requestsWait: boolean, allBusy: boolean, nowMs: number): void {
    if (allBusy) this.#allBusyAtMs = nowMs;
    if (requestsWait && this.#lookTimer === null) {
      this.#lookTimer = setTimeout(this.#look, LOOK_AGAIN_MS);
      this.#lookTimer.unref();
    }
  }

  close(): void {
    clearInterval(this.#shrinkTimer);
    if (this.#lookTimer !== null) clearTimeout(this.#lookTimer);
  }

  readonly #look = (): void => {
    this.#lookTimer = null;
    this.#decide();
    this.#effects.look();
  };

  #decide(): void {
    const decision = decideScaling({ ...this.#snapshot(), allBusyAtMs: this.#allBusyAtMs });
    if (decision === 'grow') return this.#effects.grow();
    if (decision === 'stay') return;
    // The next one goes only after another whole interval without need.
    this.#allBusyAtMs = this.#snapshot().nowMs;
    this.#effects.shrink();
  }
}
