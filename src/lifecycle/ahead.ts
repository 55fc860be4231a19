import { LIMITS } from '../config.ts';
import type { Compiler } from '../build/compiler.ts';
import type { BuildRecord } from '../store/records.ts';
import type { DataPlane } from './data-plane.ts';
import type { Journal } from './journal.ts';
import type { Routing } from './routing.ts';

export interface AheadParts {
  readonly journal: Journal;
  readonly compiler: Pick<Compiler, 'artifactPath'>;
  readonly dataPlane: DataPlane;
  readonly routing: Routing;
}

/** A build that is bound in the gateway processes, or about to be, as what the endpoint's next generation may be. */
interface Guess {
  readonly generation: number;
  readonly digest: string;
  /** Of its library; null: not looked up yet. */
  artifactPath: string | null;
  /** Resolves when it is bound or given up; null: it is. */
  underWay: Promise<void> | null;
  readonly timer: NodeJS.Timeout;
}

/**
 * Builds that are likely to be deployed next (one just compiled, else as in likely-next.ts) are prepared before anybody
 * asks, so that the deploy has nothing left to load. A few at a time, for a while, and never at another's cost: a gateway
 * process refuses when threads are short, and lets go when they become so. It is a guess: nothing waits for it but the
 * deploy of the same build, and nothing fails with it.
 */
export class Ahead {
  readonly #parts: AheadParts;
  /** By endpoint, oldest first. */
  readonly #guesses = new Map<string, Guess>();
  /** Builds that have ended a gateway process which bound them. */
  readonly #deadly = new Set<string>();

  constructor(parts: AheadParts) {
    this.#parts = parts;
  }

  /** Prepares `build`, if that is worth it. Returns at once. */
  guess(build: BuildRecord): void {
    const id = build.endpointId;
    if (!this.#isWorthIt(id, build)) return;
    this.drop(id);
    const [oldest] = this.#guesses.keys();
    if (oldest !== undefined && this.#guesses.size >= LIMITS.preparedAheadMax) this.drop(oldest);
    const generation = this.#parts.journal.store.nextGeneration(id);
    const timer = setTimeout(() => this.#dropIfCurrent(id, guess), LIMITS.preparedAheadMs).unref();
    const guess: Guess = { generation, digest: build.digest, artifactPath: null, underWay: null, timer };
    this.#guesses.set(id, guess);
    guess.underWay = this.#prepare(id, guess);
  }

  /** Resolves when this build is prepared or given up; null: it is not on its way. */
  underWay(id: string, { digest }: Pick<BuildRecord, 'digest'>): Promise<void> | null {
    const guess = this.#guesses.get(id);
    return guess?.digest === digest ? guess.underWay : null;
  }

  /**
   * The caller is about to make the endpoint's next generation of this build, and then to prepare it: processes that have
   * prepared it ahead have nothing to do then. What is prepared of another build goes.
   * @returns where its library is, if it was prepared
   */
  take(id: string, { digest }: Pick<BuildRecord, 'digest'>): string | null {
    const guess = this.#guesses.get(id);
    if (guess?.digest !== digest) {
      this.drop(id);
      return null;
    }
    this.#forget(id, guess);
    return guess.artifactPath;
  }

  /** Lets go of what is prepared for the endpoint, without waiting for that. */
  drop(id: string): void {
    const guess = this.#guesses.get(id);
    if (guess === undefined) return;
    this.#forget(id, guess);
    void this.#parts.dataPlane.abandon(id, guess.generation);
  }

  /** Only what serves is swapped in a hurry, and the same build again needs no swap. */
  #isWorthIt(id: string, { digest }: BuildRecord): boolean {
    const { store } = this.#parts.journal;
    const serving = store.endpoint(id)?.generation ?? null;
    if (serving === null || this.#guesses.get(id)?.digest === digest || this.#deadly.has(digest)) return false;
    return store.build(store.generation(id, serving)?.buildId ?? '')?.digest !== digest;
  }

  /** Never rejects. */
  async #prepare(id: string, guess: Guess): Promise<void> {
    try {
      if (!(await this.#bind(id, guess))) this.#dropIfCurrent(id, guess);
    } catch {
      // Nothing serves, or the gateway is closing: no time for guesses.
      if (this.#guesses.get(id) === guess) this.#forget(id, guess);
    } finally {
      guess.underWay = null;
    }
  }

  async #bind(id: string, guess: Guess): Promise<boolean> {
    const { journal, compiler, dataPlane, routing } = this.#parts;
    const artifactPath = await compiler.artifactPath(guess.digest);
    const endpoint = journal.store.endpoint(id);
    if (artifactPath === null || endpoint === null || this.#guesses.get(id) !== guess) return false;
    guess.artifactPath = artifactPath;
    const spec = routing.spec(endpoint, { generation: guess.generation, artifactPath });
    const outcome = await dataPlane.prepare(spec, true);
    if (!outcome.ok && outcome.code === 'process_died') this.#deadly.add(guess.digest);
    return outcome.ok;
  }

  #dropIfCurrent(id: string, guess: Guess): void {
    if (this.#guesses.get(id) === guess) this.drop(id);
  }

  #forget(id: string, guess: Guess): void {
    clearTimeout(guess.timer);
    this.#guesses.delete(id);
  }
}
