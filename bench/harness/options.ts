/** The command line of the bench. */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { CONTESTANTS } from '../contestants/index.ts';
import type { Amounts, Scenario } from '../scenarios/scenario.ts';
import { SCENARIOS } from '../scenarios/index.ts';
import { RESULTS } from './places.ts';

const NUMBERS = {
  rounds: ['5', 'rounds, each with a fresh process of every contestant'],
  seconds: ['5', 'seconds that each figure is measured'],
  'warm-up': ['2', 'seconds of load before the first figure of a process'],
  connections: ['', 'connections, instead of the scenario’s own number'],
  swaps: ['', 'most swaps of a round'],
  clients: ['', 'clients that ask while it is swapped; 0 = none'],
  endpoints: ['', 'endpoints that are compiled one after the other'],
} as const;

export interface BenchOptions {
  readonly scenarios: readonly Scenario[];
  readonly contestants: readonly string[];
  readonly rounds: number;
  readonly amounts: Amounts;
  /** Where the result goes, without its ending. */
  readonly out: string;
}

export type BenchCommand = { readonly print: string } | { readonly options: BenchOptions };

export class UsageError extends Error {}

function listText(): string {
  const scenarios = SCENARIOS.map(({ id, title }) => `  ${id.padEnd(16)} ${title}`);
  const contestants = CONTESTANTS.map(({ id, title }) => `  ${id.padEnd(16)} ${title}`);
  return ['Scenarios:', ...scenarios, '', 'Contestants:', ...contestants].join('\n');
}

export function helpText(): string {
  const numbers = Object.entries(NUMBERS).map(([name, [fallback, meaning]]) => {
    return `  --${name.padEnd(14)} ${meaning}${fallback === '' ? '' : ` (${fallback})`}`;
  });
  return [
    'Measures the gateway beside others, and writes JSON and Markdown.',
    '',
    'Usage: npm run bench -- [flags]',
    '',
    '  --scenario      only these, by commas',
    '  --contestant    only these, by commas; the reference of a scenario is needed for its ratios',
    ...numbers,
    '  --out           path of the result, without ending (bench/results/bench)',
    '  --help',
    '',
    listText(),
    '',
  ].join('\n');
}

function choose<T extends { readonly id: string }>(flag: string, given: string | undefined, all: readonly T[]): T[] {
  if (given === undefined) return [...all];
  const wanted = given.split(',').map(name => name.trim());
  const unknown = wanted.find(name => all.every(({ id }) => id !== name));
  if (unknown !== undefined) {
    throw new UsageError(`--${flag} ${unknown}: there is ${all.map(({ id }) => id).join(', ')}`);
  }
  return all.filter(({ id }) => wanted.includes(id));
}

function readNumber(flag: keyof typeof NUMBERS, given: string | undefined, min: number): number | null {
  const text = given ?? NUMBERS[flag][0];
  if (text === '') return null;
  const value = Number(text);
  if (!Number.isInteger(value) || value < min) throw new UsageError(`--${flag} takes a whole number from ${min}`);
  return value;
}

/** @throws UsageError that names the flag and what it takes. */
export function readCommand(argv: readonly string[]): BenchCommand {
  const strings = [...Object.keys(NUMBERS), 'scenario', 'contestant', 'out'];
  const options = Object.fromEntries(strings.map(name => [name, { type: 'string' as const }]));
  let values: Record<string, string | boolean | undefined>;
  try {
    ({ values } = parseArgs({ args: [...argv], options: { ...options, help: { type: 'boolean' } } }));
  } catch (error) {
    throw new UsageError((error as Error).message);
  }
  if (values['help'] === true) return { print: helpText() };
  const given = (name: string): string | undefined => values[name] as string | undefined;
  const amounts: Amounts = {
    seconds: readNumber('seconds', given('seconds'), 1) ?? 1,
    warmUpSeconds: readNumber('warm-up', given('warm-up'), 1) ?? 1,
    connections: readNumber('connections', given('connections'), 1),
    swaps: readNumber('swaps', given('swaps'), 1),
    clients: readNumber('clients', given('clients'), 0),
    endpoints: readNumber('endpoints', given('endpoints'), 1),
  };
  return {
    options: {
      scenarios: choose('scenario', given('scenario'), SCENARIOS),
      contestants: choose('contestant', given('contestant'), CONTESTANTS).map(({ id }) => id),
      rounds: readNumber('rounds', given('rounds'), 1) ?? 1,
      amounts,
      out: given('out') ?? join(RESULTS, 'bench'),
    },
  };
}
