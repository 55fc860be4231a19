/**
 * Is a new result worse than the committed one? Held against each other are ratios: absolute figures vary by a quarter
 * from run to run with the machine, ratios to a reference that met the same noise vary less.
 *
 * A ratio has regressed when it is worse by more than the noise of both runs together (half the distance of their
 * outermost rounds), and by more than a floor: between two runs of the same program more changes than between rounds.
 */
import type { Metric, Scenario } from '../scenarios/scenario.ts';
import type { BenchResult, ContestantResult, ScenarioResult } from './result.ts';
import { figureOf, ratioOf } from './summary.ts';

/** A ratio that is worse by less is never a regression. */
export const CHANGE_MIN = 0.1;
/** Rounds that lie further apart than so cannot show that nothing has changed. */
export const NOISE_MAX = 0.5;

export type Verdict = 'better' | 'same' | 'worse' | 'noisy' | 'missing' | 'broken';

export interface Comparison {
  readonly scenario: string;
  readonly metric: Metric;
  readonly verdict: Verdict;
  /** Medians; null: not measured. */
  readonly before: number | null;
  readonly now: number | null;
  /** How much worse the ratio is, as a share; negative: better. */
  readonly worseBy: number;
  /** How much worse it had to be to count. */
  readonly allowed: number;
}

/** Fewer rounds have no noise to speak of, unless the scenario has no more. */
const ROUNDS_MIN = 3;

/** What is judged is the product; how the others fare against each other is not ours. */
const SUBJECT = 'gateway';

interface Side {
  readonly results: ScenarioResult;
  readonly subject: ContestantResult;
}

function sideOf(scenario: Scenario, result: BenchResult): Side | null {
  const results = result.scenarios.find(one => one.scenario === scenario.id);
  const subject = results?.contestants.find(({ contestant }) => contestant === SUBJECT);
  return results === undefined || subject === undefined ? null : { results, subject };
}

function judge(worseBy: number, allowed: number, noise: number): Verdict {
  if (noise > NOISE_MAX) return worseBy > allowed ? 'worse' : 'noisy';
  if (worseBy > allowed) return 'worse';
  return worseBy < -allowed ? 'better' : 'same';
}

function compareRatio(scenario: Scenario, metric: Metric, before: Side, now: Side): Comparison | null {
  const old = ratioOf(scenario, before.results, before.subject, metric);
  if (old === null) return null;
  const base = { scenario: scenario.id, metric, before: old.median };
  const fresh = ratioOf(scenario, now.results, now.subject, metric);
  if (fresh === null) return { ...base, verdict: 'missing', now: null, worseBy: 0, allowed: 0 };
  const change = metric.better === 'lower' ? fresh.median / old.median : old.median / fresh.median;
  const noise = old.noise + fresh.noise;
  const allowed = Math.max(CHANGE_MIN, noise);
  const worseBy = change - 1;
  const rounds = Math.min(old.raw.length, fresh.raw.length);
  if (rounds < Math.min(ROUNDS_MIN, scenario.roundsMax ?? ROUNDS_MIN)) {
    return { ...base, verdict: 'noisy', now: fresh.median, worseBy, allowed };
  }
  return { ...base, verdict: judge(worseBy, allowed, noise), now: fresh.median, worseBy, allowed };
}

/** What must be 0 has no noise: one lost request is one too many, whatever the table says. */
function compareZero(scenario: Scenario, metric: Metric, now: Side): Comparison | null {
  const figure = figureOf(now.subject, metric);
  if (figure === null) return null;
  const most = Math.max(...figure.raw);
  const verdict = most === 0 ? 'same' : 'broken';
  return { scenario: scenario.id, metric, verdict, before: 0, now: most, worseBy: most, allowed: 0 };
}

function compareScenario(scenario: Scenario, before: BenchResult, now: BenchResult): Comparison[] {
  const fresh = sideOf(scenario, now);
  if (fresh === null) return [];
  const old = sideOf(scenario, before);
  return scenario.metrics.flatMap(metric => {
    if (metric.check === 'no') return [];
    if (metric.check === 'zero') return compareZero(scenario, metric, fresh) ?? [];
    return (old === null ? null : compareRatio(scenario, metric, old, fresh)) ?? [];
  });
}

/** Every judged metric of the scenarios that the new result holds. */
export function compare(scenarios: readonly Scenario[], before: BenchResult, now: BenchResult): Comparison[] {
  return scenarios.flatMap(scenario => compareScenario(scenario, before, now));
}

/** Missing counts: a contestant that no longer starts, or a reference that was left out, must not pass for good. */
export const isFailure = ({ verdict }: Comparison): boolean =>
  verdict === 'worse' || verdict === 'broken' || verdict === 'missing';
