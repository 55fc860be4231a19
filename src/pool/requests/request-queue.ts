import type { PoolRequest } from './pool-request.ts';
import { emptyPlaces, PLACES_MIN } from './request-table.ts';

/**
 * Requests in the order in which they came, of which any may leave. A circle of places, not a Set, for the reason given in
 * request-table.ts.
 */
export class RequestQueue {
  #places = emptyPlaces(PLACES_MIN);
  /** Positions only grow; the low bits of one are its place. */
  #head = 0;
  #tail = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The one that came first. */
  get first(): PoolRequest | null {
    return this.#places[this.#placeOf(this.#head)] ?? null;
  }

  add(request: PoolRequest): void {
    if (this.#tail - this.#head === this.#places.length) this.#makeRoom();
    request.queuePosition = this.#tail;
    this.#places[this.#placeOf(this.#tail)] = request;
    this.#tail += 1;
    this.#size += 1;
  }

  /** One that is not in the queue does no harm. */
  delete(request: PoolRequest): void {
    if (this.#places[this.#placeOf(request.queuePosition)] !== request) return;
    this.#places[this.#placeOf(request.queuePosition)] = null;
    this.#size -= 1;
    while (this.#head < this.#tail && this.first === null) this.#head += 1;
  }

  #placeOf(position: number): number {
    return position & (this.#places.length - 1);
  }

  /** Closes the gaps of those that have left, and doubles the places if that is not enough. */
  #makeRoom(): void {
    const count = this.#places.length;
    const waiting: PoolRequest[] = [];
    for (let position = this.#head; position < this.#tail; position += 1) {
      const request = this.#places[this.#placeOf(position)] ?? null;
      if (request !== null) waiting.push(request);
    }
    this.#places = emptyPlaces(waiting.length * 2 > count ? count * 2 : count);
    this.#head = 0;
    this.#tail = 0;
    this.#size = 0;
    for (const request of waiting) this.add(request);
  }
}
