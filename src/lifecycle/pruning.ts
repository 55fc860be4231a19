import { LIMITS } from '../config.ts';
import type { Compiler } from '../build/compiler.ts';
import type { Store } from '../store/records.ts';

/** Longer than a library is spared that may not be in the store yet. */
const AGAIN_MS = 120_000;

/**
 * Deletes builds that no rollback can reach any more, and artifacts that no build refers to: one run at a time, when the
 * answer to the call that asks for it has been given.
 */
export class Pruning {
  readonly #store: Store;
  readonly #compiler: Pick<Compiler, 'collectGarbage'>;
  readonly #onError: (error: unknown) => void;
  readonly #endpoints = new Set<string>();
  /** Artifacts may be left of the program's last run. */
  #hasGarbage = true;
  #isRunning = false;

  constructor(options: {
    store: Store;
    compiler: Pick<Compiler, 'collectGarbage'>;
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#compiler = options.compiler;
    this.#onError = options.onError;
  }

  /** The endpoint has a new build or generation, and perhaps builds that are out of reach. */
  changed(id: string): void {
    this.#endpoints.add(id);
    this.#start();
  }

  /** An endpoint's builds are gone; a library of theirs that has just been made is spared at first. */
  deleted(): void {
    this.#collect();
    setTimeout(() => this.#collect(), AGAIN_MS).unref();
  }

  #collect(): void {
    this.#hasGarbage = true;
    this.#start();
  }

  #start(): void {
    if (this.#isRunning) return;
    this.#isRunning = true;
    setImmediate(() => void this.#run());
  }

  async #run(): Promise<void> {
    while (this.#endpoints.size > 0 || this.#hasGarbage) {
      try {
        await this.#runOnce();
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#isRunning = false;
  }

  async #runOnce(): Promise<void> {
    for (const id of this.#endpoints) {
      this.#endpoints.delete(id);
      if (this.#store.pruneBuilds(id, LIMITS.generationsKept) > 0) this.#hasGarbage = true;
    }
    if (!this.#hasGarbage) return;
    this.#hasGarbage = false;
    await this.#compiler.collectGarbage(this.#store.digests());
  }
}
