import type { ProcessFigures } from '../protocol/control.ts';
import { addFigures, countersOf, NO_FIGURES, withoutGeneration, type GenerationName } from './figures.ts';

interface Live {
  figures: ProcessFigures;
  /** Endpoints deleted since: the process may still count them in what it says last. */
  readonly deleted: Set<string>;
}

/** The last figures of every gateway process, and the counters of those that have ended: so counters never fall. */
export class FigureLedger {
  readonly #live = new Map<number, Live>();
  #ended: ProcessFigures = NO_FIGURES;

  update(process: number, figures: ProcessFigures): void {
    this.#live.set(process, { figures, deleted: new Set() });
  }

  /** What the generation counted is written down elsewhere from now on. */
  retired(process: number, generation: GenerationName): void {
    const live = this.#live.get(process);
    if (live !== undefined) live.figures = withoutGeneration(live.figures, generation);
  }

  end(process: number, figures: ProcessFigures | null): void {
    const live = this.#live.get(process);
    const last = figures ?? live?.figures;
    this.#live.delete(process);
    if (last === undefined) return;
    this.#ended = addFigures(this.#ended, countersOf(without(last, live?.deleted ?? new Set())));
  }

  /** Lets go of what was counted for an endpoint that is deleted, by processes that have ended and those that live. */
  forget(endpoint: string): void {
    const deleted = new Set([endpoint]);
    this.#ended = without(this.#ended, deleted);
    for (const live of this.#live.values()) {
      live.figures = without(live.figures, deleted);
      live.deleted.add(endpoint);
    }
  }

  /** Bytes the heaps of each endpoint's images occupy in all processes that live. */
  memoryBytes(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const { endpoint, memoryBytes } of this.#liveFigures().flatMap(({ endpoints }) => endpoints)) {
      sums.set(endpoint, (sums.get(endpoint) ?? 0) + memoryBytes);
    }
    return sums;
  }

  total(): ProcessFigures {
    return this.#liveFigures().reduce(addFigures, this.#ended);
  }

  #liveFigures(): ProcessFigures[] {
    return [...this.#live.values()].map(({ figures }) => figures);
  }
}

function without(figures: ProcessFigures, deleted: ReadonlySet<string>): ProcessFigures {
  return { ...figures, endpoints: figures.endpoints.filter(({ endpoint }) => !deleted.has(endpoint)) };
}
