/**
 * Clients that ask `/version` without a pause while it is swapped, in a thread of their own, and a count of what they got:
 * every request is answered, and with a version that could be live between its sending and its answer.
 */
import { once } from 'node:events';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';

/** Places in the memory that the swapping thread and the asking one share. */
export const PLACE = { done: 0, begun: 1, finished: 2, failed: 3, stale: 4, stop: 5, unanswered: 6 } as const;

const STALL_MS = 30_000;

export interface LedgerCounts {
  readonly finished: number;
  /** Answered, and not with 200. */
  readonly failed: number;
  /** Not answered: the connection was refused, or closed while the request was on its way. */
  readonly unanswered: number;
  /** Answered by a version that was replaced before the request was sent, or that was never asked for. */
  readonly stale: number;
}

export class Ledger {
  readonly #shared = new Int32Array(new SharedArrayBuffer(Object.keys(PLACE).length * 4));
  readonly #thread: Worker | null;

  constructor(url: string, clients: number, version: number) {
    this.#shared[PLACE.done] = version;
    this.#shared[PLACE.begun] = version;
    const workerData = { url, clients, shared: this.#shared };
    this.#thread = clients === 0 ? null : new Worker(join(import.meta.dirname, 'ledger-thread.ts'), { workerData });
  }

  /** A swap to this version begins: from now on it may answer. */
  begin(version: number): void {
    Atomics.store(this.#shared, PLACE.begun, version);
  }

  /** The swap has been reported as done: requests sent from now on must be answered by this version. */
  done(version: number): void {
    Atomics.store(this.#shared, PLACE.done, version);
  }

  counts(): LedgerCounts {
    const at = (place: number): number => Atomics.load(this.#shared, place);
    return {
      finished: at(PLACE.finished),
      failed: at(PLACE.failed),
      unanswered: at(PLACE.unanswered),
      stale: at(PLACE.stale),
    };
  }

  /** Waits until so many requests are in the ledger; rejects when there are no more for half a minute. */
  async reach(finished: number): Promise<void> {
    let [last, lastMs] = [-1, performance.now()];
    while (this.#thread !== null && this.counts().finished < finished) {
      if (this.counts().finished > last) [last, lastMs] = [this.counts().finished, performance.now()];
      if (performance.now() - lastMs > STALL_MS) throw new Error('no request has been answered for half a minute');
      await new Promise(resolve => setTimeout(resolve, 1));
    }
  }

  /** Lets every client finish the request it has under way. */
  async stop(): Promise<LedgerCounts> {
    Atomics.store(this.#shared, PLACE.stop, 1);
    if (this.#thread === null) return this.counts();
    // A client whose request is never answered would not end.
    const limit = setTimeout(() => void this.#thread?.terminate(), STALL_MS);
    await once(this.#thread, 'exit');
    clearTimeout(limit);
    return this.counts();
  }
}
