/** A generation on trial, and what the gateway goes back to by itself when it comes into a crash loop. */
export interface Bake {
  readonly generation: number;
  /** The generation that served until this one's deploy. */
  readonly before: number;
  /** How long after its deploy it is on trial. */
  readonly bakeMs: number;
}

/**
 * Which generations are on trial after their deploy. Kept in memory: after a restart of the program nothing is on trial.
 * An automatic rollback begins no trial, so that two builds that crash never take turns.
 */
export class Bakes {
  readonly #bakes = new Map<string, Bake & { readonly endsMs: number }>();
  /** The generation of each endpoint that was last in a crash loop. */
  readonly #crashLooped = new Map<string, number>();

  /** A generation has taken over, and the trial of its predecessor is over. `before` null or `bakeMs` 0: it is on none. */
  begin(
    endpoint: string,
    trial: { readonly generation: number; readonly before: number | null; readonly bakeMs: number },
    nowMs: number,
  ): void {
    const { generation, before, bakeMs } = trial;
    if (before === null || bakeMs === 0) this.#bakes.delete(endpoint);
    else this.#bakes.set(endpoint, { generation, before, bakeMs, endsMs: nowMs + bakeMs });
  }

  /**
   * The generation has come into a crash loop. Gives what it was on trial for; null: it was on no trial, or what it could
   * go back to has been in a crash loop as well.
   */
  crashLooped(endpoint: string, generation: number, nowMs: number): Bake | null {
    const crashedBefore = this.#crashLooped.get(endpoint);
    this.#crashLooped.set(endpoint, generation);
    const bake = this.#bakes.get(endpoint);
    if (bake === undefined || bake.generation !== generation || nowMs > bake.endsMs) return null;
    return bake.before === crashedBefore ? null : bake;
  }

  /** The endpoint is deleted: its numbers begin anew. */
  forget(endpoint: string): void {
    this.#bakes.delete(endpoint);
    this.#crashLooped.delete(endpoint);
  }
}
