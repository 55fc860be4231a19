/** A scenario: one question, asked of contestants that each answer in a fresh process. */
import type { Contestant } from '../contestants/contestant.ts';

export interface Metric {
  /** Key of the readings, with its unit: `p99_us`. */
  readonly id: string;
  readonly label: string;
  readonly digits?: number;
  /** The difference to the reference is shown beside the ratio. */
  readonly difference?: boolean;
  readonly better: 'higher' | 'lower';
  /**
   * What `bench:check` holds against the committed table. `ratio`: the contestant's figure by that of the reference in
   * the same round. `itself`: the figure is a ratio already. `zero`: it must be 0. `no`: it is told only.
   */
  readonly check: 'ratio' | 'itself' | 'zero' | 'no';
}

/** What one round gave: a value for each metric; a metric that a contestant does not have is left out. */
export type Readings = Readonly<Record<string, number>>;

/** How much is measured. A null is the scenario's own default. */
export interface Amounts {
  readonly seconds: number;
  readonly warmUpSeconds: number;
  readonly connections: number | null;
  readonly swaps: number | null;
  readonly clients: number | null;
  readonly endpoints: number | null;
}

export interface Scenario {
  readonly id: string;
  readonly title: string;
  /** What is done, in a sentence or two. */
  readonly about: string;
  /** The contestant the others' figures are divided by. */
  readonly reference: string | null;
  /** Ids of those it can be asked of, in the order of the table. */
  readonly contestants: readonly string[];
  readonly metrics: readonly Metric[];
  /** A scenario that is long by itself has fewer rounds than were asked for. */
  readonly roundsMax?: number;
  measure(contestant: Contestant, amounts: Amounts): Promise<Readings>;
}
