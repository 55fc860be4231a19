import { AdminError } from '../errors.ts';
import type { Journal } from './journal.ts';

/** Time after which a write that failed is tried again. */
const RETRY_MS = 1_000;

/** Writes that nobody waits for: one that fails because the disk is full is tried again until it succeeds. */
export class LateWrites {
  readonly #journal: Journal;

  constructor(journal: Journal) {
    this.#journal = journal;
  }

  /** One commit for all of `work`, which must still be right when it happens later. */
  write(work: () => void): void {
    try {
      this.#journal.transaction(work);
    } catch (error) {
      this.#journal.publish({ type: 'failure', message: String(error) });
      const isPassing = error instanceof AdminError && error.code === 'storage_failed';
      if (isPassing) setTimeout(() => this.write(work), RETRY_MS).unref();
    }
  }
}
