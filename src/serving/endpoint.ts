import type { EndpointFigures, EndpointSpec, GenerationFigures } from '../protocol/control.ts';
import { sumHeapBytes } from '../protocol/guard.ts';
import { EndpointCounters } from './endpoint-counters.ts';
import { FlipWatch, type FlipTurn } from './flip-watch.ts';
import type { Generation } from './generation.ts';

/** One endpoint in this process: what it should be, the generation that serves, and those before and after it. */
export class Endpoint {
  readonly id: string;
  /** null: not committed yet or deleted; it has no route, but may have generations that are prepared or drain. */
  spec: EndpointSpec | null = null;
  serving: Generation | null = null;
  readonly prepared = new Map<number, Generation>();
  /** What the flip page calls those that are prepared. */
  readonly tickets = new WeakMap<Generation, number>();
  /** Each with what resolves when its last image is unmapped. */
  readonly draining = new Map<Generation, Promise<void>>();
  readonly counters = new EndpointCounters();
  /** Version of the newest commit it has heard of; what is older is no news. */
  version = 0;
  #flipWatch: FlipWatch | null = null;
  readonly #onTurned: (endpoint: Endpoint, turn: FlipTurn) => void;

  constructor(id: string, onTurned: (endpoint: Endpoint, turn: FlipTurn) => void) {
    this.id = id;
    this.#onTurned = onTurned;
  }

  /** The generation that serves at this moment, after a look at the flip page. null: none does. */
  current(): Generation | null {
    if (this.#flipWatch?.hasTurned === true) this.#onTurned(this, this.#flipWatch.take());
    return this.serving;
  }

  watch(flipPage: Int32Array | null, place: number | null): void {
    if (this.#flipWatch?.place === place) return;
    this.#flipWatch = flipPage === null || place === null ? null : new FlipWatch(flipPage, place);
  }

  get generations(): readonly Generation[] {
    return [...(this.serving === null ? [] : [this.serving]), ...this.prepared.values(), ...this.draining.keys()];
  }

  /** Nothing of it is left: deleted, or never committed and abandoned. */
  get gone(): boolean {
    return this.spec === null && this.generations.length === 0;
  }

  /** Requests in generations that no longer take any. */
  get inFlightDraining(): number {
    return sum(this.draining.keys(), generation => generation.inFlight);
  }

  /** `generations`: the figures of all of them, if they are known already; memory takes a while to look at. */
  figures(generations = this.generationFigures()): EndpointFigures {
    return {
      endpoint: this.id,
      inFlight: sum(generations, generation => generation.inFlight),
      queueLength: sum(this.generations, generation => generation.queueLength),
      ...sumHeapBytes(generations),
      ...this.counters.snapshot(),
    };
  }

  generationFigures(): readonly GenerationFigures[] {
    return this.generations.map(generation => generation.figures());
  }
}

function sum<T>(items: Iterable<T>, value: (item: T) => number): number {
  let total = 0;
  for (const item of items) total += value(item);
  return total;
}
