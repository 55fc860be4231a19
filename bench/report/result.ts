/** What a run has measured, as it is written to JSON: raw values of every round, nothing derived. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { availableParallelism, cpus, totalmem } from 'node:os';
import { dirname } from 'node:path';
import type { Amounts, Readings } from '../scenarios/scenario.ts';

export interface ContestantResult {
  readonly contestant: string;
  /** One entry a round, in order. */
  readonly rounds: readonly Readings[];
  /** Why there are no (further) rounds. */
  readonly failure?: string;
}

/** The run that a scenario was measured in. */
export interface RunFacts {
  readonly measured_at: string;
  readonly machine: Readonly<Record<string, string | number>>;
  readonly amounts: Amounts & { readonly rounds: number };
}

export interface ScenarioResult {
  readonly scenario: string;
  readonly run: RunFacts;
  readonly contestants: readonly ContestantResult[];
}

/** Its scenarios may be of several runs. */
export interface BenchResult {
  readonly scenarios: readonly ScenarioResult[];
}

/** What `later` has measured in place of what `earlier` has, in the order of `scenarios`. */
export function mergeResults(earlier: BenchResult, later: BenchResult, scenarios: readonly string[]): BenchResult {
  const latest = (id: string): ScenarioResult[] =>
    [later, earlier].flatMap(result => result.scenarios.filter(({ scenario }) => scenario === id)).slice(0, 1);
  return { scenarios: scenarios.flatMap(latest) };
}

export function describeMachine(): RunFacts['machine'] {
  const [cpu] = cpus();
  return {
    node: process.version,
    cpu: cpu?.model ?? 'unknown',
    cores: availableParallelism(),
    memory_gb: Math.round(totalmem() / 1e9),
  };
}

export function writeText(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true });
  writeFileSync(path, text);
}

export const writeResult = (path: string, result: object): void =>
  writeText(path, `${JSON.stringify(result, null, 2)}\n`);

export const readResult = (path: string): BenchResult => JSON.parse(readFileSync(path, 'utf8')) as BenchResult;
