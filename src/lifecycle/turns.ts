import PQueue from 'p-queue';

/** Runs work on the same endpoint one after the other, in the order of the calls, and on different ones side by side. */
export class Turns {
  readonly #queues = new Map<string, PQueue>();

  async take<T>(endpoint: string, work: () => Promise<T>): Promise<T> {
    return this.#queueOf(endpoint).add(work);
  }

  #queueOf(endpoint: string): PQueue {
    const existing = this.#queues.get(endpoint);
    if (existing !== undefined) return existing;
    const queue = new PQueue({ concurrency: 1 });
    queue.on('idle', () => this.#queues.delete(endpoint));
    this.#queues.set(endpoint, queue);
    return queue;
  }
}
