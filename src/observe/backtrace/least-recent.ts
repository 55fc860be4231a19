interface Entry<V> {
  readonly value: V;
  readonly bytes: number;
}

export interface MapLimits {
  readonly count: number;
  /** Of what `set` is told of its values. */
  readonly bytes: number;
}

/**
 * A map of a limited size: what has not been asked for the longest makes room for what comes. The newest stays, however
 * large it is: it is wanted now.
 */
export class LeastRecentMap<K, V> {
  readonly #entries = new Map<K, Entry<V>>();
  readonly #limits: MapLimits;
  #bytes = 0;

  constructor(limits: MapLimits) {
    this.#limits = limits;
  }

  get(key: K): V | undefined {
    const entry = this.#entries.get(key);
    if (entry === undefined) return undefined;
    // Maps keep the order of insertion.
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    return entry.value;
  }

  set(key: K, value: V, bytes: number): void {
    this.#delete(key);
    this.#entries.set(key, { value, bytes });
    this.#bytes += bytes;
    for (const oldest of this.#entries.keys()) {
      const isFull = this.#entries.size > this.#limits.count || this.#bytes > this.#limits.bytes;
      if (!isFull || this.#entries.size === 1) return;
      this.#delete(oldest);
    }
  }

  deleteWhere(matches: (key: K) => boolean): void {
    for (const key of this.#entries.keys()) if (matches(key)) this.#delete(key);
  }

  #delete(key: K): void {
    this.#bytes -= this.#entries.get(key)?.bytes ?? 0;
    this.#entries.delete(key);
  }
}
