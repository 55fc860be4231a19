import type { PoolRequest } from './pool-request.ts';

/** Least places of a table or a queue; a power of two, as all their sizes are. */
export const PLACES_MIN = 64;

export const emptyPlaces = (count: number): (PoolRequest | null)[] => new Array<PoolRequest | null>(count).fill(null);

/**
 * The requests of a pool by their numbers. The low bits of a number are the request's place, and a number whose place is
 * taken is left out, so that no two requests ever want the same one.
 *
 * Reason: this is not a Map because each request is added and deleted. A Map copies itself whenever deleted entries have
 * filled it up, and what it was before points at what it is now. Once one of these leftovers has become old, the collector
 * of young objects takes all that come after it, and the requests that were in them, for live ones. Gain: with a Map and a
 * Set one byte in ten that a request allocates was carried into the old generation, which had to be collected every second.
 * Catch: the table never becomes smaller; it ends with its pool.
 */
export class RequestTable {
  #places = emptyPlaces(PLACES_MIN);
  #lastNumber = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** A number that none of the requests has; of 32 bits, so it comes again after four billion others. */
  nextNumber(): number {
    do this.#lastNumber = (this.#lastNumber + 1) >>> 0;
    while (this.#places[this.#placeOf(this.#lastNumber)] !== null);
    return this.#lastNumber;
  }

  /** Its number is from `nextNumber`. */
  add(request: PoolRequest): void {
    this.#places[this.#placeOf(request.number)] = request;
    this.#size += 1;
    if (this.#size * 2 > this.#places.length) this.#grow();
  }

  get(number: number): PoolRequest | undefined {
    const request = this.#places[this.#placeOf(number)];
    return request?.number === number ? request : undefined;
  }

  delete(request: PoolRequest): void {
    if (this.get(request.number) !== request) return;
    this.#places[this.#placeOf(request.number)] = null;
    this.#size -= 1;
  }

  /** In no order. Requests may be added and deleted meanwhile; those that were added may be left out. */
  *[Symbol.iterator](): Generator<PoolRequest> {
    for (const request of this.#places) {
      if (request !== null && this.get(request.number) === request) yield request;
    }
  }

  #placeOf(number: number): number {
    return number & (this.#places.length - 1);
  }

  /** Numbers that differ in their low bits still do when there is one more of these. */
  #grow(): void {
    const requests = this.#places;
    this.#places = emptyPlaces(requests.length * 2);
    for (const request of requests) if (request !== null) this.#places[this.#placeOf(request.number)] = request;
  }
}
