/** Medians of the rounds, and ratios to the reference: of each round, as both met the same noise then. */
import type { Metric, Scenario } from '../scenarios/scenario.ts';
import type { ContestantResult, ScenarioResult } from './result.ts';
import { median, spread } from './statistics.ts';

export interface Figure {
  readonly median: number;
  readonly raw: readonly number[];
}

export interface Ratio extends Figure {
  /** Half the distance of the outermost rounds, as a share of the median. */
  readonly noise: number;
}

/** A metric's values in the order of the rounds; null if the contestant does not have it. */
export function figureOf(result: ContestantResult, metric: Metric): Figure | null {
  const raw = result.rounds.flatMap(round => round[metric.id] ?? []);
  return raw.length === 0 ? null : { median: median(raw), raw };
}

const toRatio = (raw: readonly number[]): Ratio => ({ median: median(raw), raw, noise: spread(raw) });

/** What is compared between runs; null for a metric that is not, or without a reference. */
export function ratioOf(
  scenario: Scenario,
  results: ScenarioResult,
  result: ContestantResult,
  metric: Metric,
): Ratio | null {
  const figure = figureOf(result, metric);
  if (figure === null || metric.check === 'zero') return null;
  if (metric.check === 'itself') return toRatio(figure.raw);
  const reference = results.contestants.find(({ contestant }) => contestant === scenario.reference);
  if (reference === undefined || reference === result) return null;
  const pairs = result.rounds.flatMap((round, index) => {
    const [value, other] = [round[metric.id], reference.rounds[index]?.[metric.id]];
    return value === undefined || other === undefined || other === 0 ? [] : [value / other];
  });
  return pairs.length === 0 ? null : toRatio(pairs);
}
