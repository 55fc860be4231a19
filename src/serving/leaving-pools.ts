import type { Failure, HandlerPool } from '../pool/handler-pool.ts';

type Outcome = 'drained' | 'forced';

/** Pools of a generation that take no more requests and finish what they have. */
export class LeavingPools {
  readonly #pools = new Map<HandlerPool, Promise<Outcome>>();
  readonly #name: string;
  readonly #replaceProcess: (reason: string) => void;

  /** `name`: what they are pools of, for messages. */
  constructor(name: string, replaceProcess: (reason: string) => void) {
    this.#name = name;
    this.#replaceProcess = replaceProcess;
  }

  get size(): number {
    return this.#pools.size;
  }

  [Symbol.iterator](): Iterator<HandlerPool> {
    return this.#pools.keys();
  }

  /** Retires the pool; resolves when its images are unmapped and its threads given back. */
  async add(pool: HandlerPool, timeoutMs: number, leftWith: Failure): Promise<void> {
    const retiring = this.#retire(pool, timeoutMs, leftWith);
    this.#pools.set(pool, retiring);
    await retiring;
    this.#pools.delete(pool);
  }

  /** Gives all of them at most so long from now on; resolves with how each ended. */
  async end(timeoutMs: number): Promise<readonly Outcome[]> {
    for (const pool of this) void pool.retire(timeoutMs);
    return Promise.all(this.#pools.values());
  }

  async #retire(pool: HandlerPool, timeoutMs: number, leftWith: Failure): Promise<Outcome> {
    try {
      const { outcome, stillMapped } = await pool.retire(timeoutMs, leftWith);
      if (stillMapped) this.#replaceProcess(`An image of ${this.#name} would not unmap.`);
      return outcome;
    } catch (error) {
      this.#replaceProcess(`The pool of ${this.#name} could not be retired: ${String(error)}`);
      return 'forced';
    }
  }
}
