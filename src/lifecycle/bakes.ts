/** A generation that bakes, and what the gateway goes back to by itself when it comes into a crash loop. */
export interface Bake {
  readonly generation: number;
  /** The generation that served until this one's deploy. */
  readonly before: number;
  /** How long it bakes after its deploy. */
  readonly bakeMs: number;
}

/**
 * Which generations bake: they were deployed so lately that a crash loop is taken for a mistake of the deploy. Kept in
 * memory: after a restart of the program nothing bakes. Nor does what an automatic rollback deploys, so that two builds
 * that crash never take turns.
 */
export class Bakes {
  readonly #bakes = new Map<string, Bake & { readonly endsMs: number }>();
  /** The generation of each endpoint that was last in a crash loop. */
  readonly #crashLooped = new Map<string, number>();

  /** A generation has taken over, and the one before bakes no longer. `before` null or `bakeMs` 0: it does not bake. */
  begin(endpoint: string, bake: Omit<Bake, 'before'> & { readonly before: number | null }, nowMs: number): void {
    const { generation, before, bakeMs } = bake;
    if (before === null || bakeMs === 0) this.#bakes.delete(endpoint);
    else this.#bakes.set(endpoint, { generation, before, bakeMs, endsMs: nowMs + bakeMs });
  }

  /**
   * The generation has come into a crash loop. Gives its bake; null: it does not bake, or what it could go back to has
   * been in a crash loop as well.
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
