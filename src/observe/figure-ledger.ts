import type { ProcessFigures } from '../protocol/control.ts';
import { addFigures, countersOf, NO_FIGURES } from './figures.ts';

/** The last figures of every gateway process, and the counters of those that have ended: so counters never fall. */
export class FigureLedger {
  readonly #live = new Map<number, ProcessFigures>();
  #ended: ProcessFigures = NO_FIGURES;

  update(process: number, figures: ProcessFigures): void {
    this.#live.set(process, figures);
  }

  end(process: number, figures: ProcessFigures | null): void {
    const last = figures ?? this.#live.get(process);
    this.#live.delete(process);
    if (last !== undefined) this.#ended = addFigures(this.#ended, countersOf(last));
  }

  /** Lets go of what ended processes counted for an endpoint that is deleted. */
  forget(endpoint: string): void {
    this.#ended = { ...this.#ended, endpoints: this.#ended.endpoints.filter(figures => figures.endpoint !== endpoint) };
  }

  of(process: number): ProcessFigures | null {
    return this.#live.get(process) ?? null;
  }

  /** Bytes the heaps of each endpoint's images occupy in all processes that live. */
  memoryBytes(): ReadonlyMap<string, number> {
    const sums = new Map<string, number>();
    for (const { endpoint, memoryBytes } of [...this.#live.values()].flatMap(({ endpoints }) => endpoints)) {
      sums.set(endpoint, (sums.get(endpoint) ?? 0) + memoryBytes);
    }
    return sums;
  }

  total(): ProcessFigures {
    return [...this.#live.values()].reduce(addFigures, this.#ended);
  }
}
