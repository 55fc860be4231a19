import { LIMITS } from '../config.ts';
import type { Compiler } from '../build/compiler.ts';
import type { Store } from '../store/records.ts';

/** Deletes builds and artifacts that no rollback can reach any more, one run at a time, off the path of deploys. */
export class Pruning {
  readonly #store: Store;
  readonly #compiler: Pick<Compiler, 'collectGarbage'>;
  readonly #onError: (error: unknown) => void;
  #running = false;
  #wanted = false;

  constructor(options: {
    store: Store;
    compiler: Pick<Compiler, 'collectGarbage'>;
    onError: (error: unknown) => void;
  }) {
    this.#store = options.store;
    this.#compiler = options.compiler;
    this.#onError = options.onError;
  }

  request(): void {
    this.#wanted = true;
    if (!this.#running) void this.#run();
  }

  async #run(): Promise<void> {
    this.#running = true;
    while (this.#wanted) {
      this.#wanted = false;
      try {
        await this.#compiler.collectGarbage(this.#store.pruneBuilds(LIMITS.generationsKept));
      } catch (error) {
        this.#onError(error);
      }
    }
    this.#running = false;
  }
}
