/** The results as Markdown: a table a scenario, and the raw values behind it. */
import { CONTESTANTS } from '../contestants/index.ts';
import { SCENARIOS } from '../scenarios/index.ts';
import type { Metric, Scenario } from '../scenarios/scenario.ts';
import type { BenchResult, ContestantResult, RunFacts, ScenarioResult } from './result.ts';
import { figureOf, ratioOf } from './summary.ts';

const titleOf = (id: string): string => CONTESTANTS.find(contestant => contestant.id === id)?.title ?? id;

export const numberText = (value: number, digits: number): string =>
  value.toLocaleString('en', { minimumFractionDigits: digits, maximumFractionDigits: digits });

function differenceText(scenario: Scenario, results: ScenarioResult, value: number, metric: Metric): string {
  const reference = results.contestants.find(({ contestant }) => contestant === scenario.reference);
  const other = reference === undefined ? null : figureOf(reference, metric);
  const difference = value - (other?.median ?? Number.NaN);
  return `${difference < 0 ? '−' : '+'}${numberText(Math.abs(difference), metric.digits ?? 0)}`;
}

function cell(scenario: Scenario, results: ScenarioResult, result: ContestantResult, metric: Metric): string {
  const figure = figureOf(result, metric);
  if (figure === null) return '–';
  const text = numberText(figure.median, metric.digits ?? 0);
  const ratio = metric.check === 'ratio' ? ratioOf(scenario, results, result, metric) : null;
  if (ratio === null) return text;
  const difference = metric.difference === true ? `, ${differenceText(scenario, results, figure.median, metric)}` : '';
  return `${text} (${numberText(ratio.median, 2)}${difference})`;
}

const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
/** What a program said of its failure may hold anything. */
const inline = (text: string): string => text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300);

/** A contestant that could not take part keeps its line, with the reason. */
function row(scenario: Scenario, results: ScenarioResult, result: ContestantResult): string {
  const name = titleOf(result.contestant) + (result.contestant === scenario.reference ? ' (reference)' : '');
  if (result.rounds.length === 0) {
    const [, ...others] = scenario.metrics;
    return line([name, `not measured: ${inline(result.failure ?? 'no round')}`, ...others.map(() => '')]);
  }
  const stopped =
    result.failure === undefined ? '' : `; stopped after ${result.rounds.length} rounds: ${inline(result.failure)}`;
  return line([name + stopped, ...scenario.metrics.map(metric => cell(scenario, results, result, metric))]);
}

export function scenarioTable(scenario: Scenario, results: ScenarioResult): string {
  const head = ['', ...scenario.metrics.map(({ label }) => label)];
  const rule = head.map((_, index) => (index === 0 ? '---' : '---:'));
  const rows = results.contestants.map(result => row(scenario, results, result));
  return [line(head), line(rule), ...rows].join('\n');
}

function rawLines(scenario: Scenario, results: ScenarioResult): string[] {
  return results.contestants.flatMap(result =>
    scenario.metrics.flatMap(metric => {
      const figure = figureOf(result, metric);
      if (figure === null) return [];
      const values = figure.raw.map(value => numberText(value, metric.digits ?? 0)).join(' · ');
      return [`- ${titleOf(result.contestant)}, ${metric.label}: ${values}`];
    }),
  );
}

function rawDetails(scenario: Scenario, results: ScenarioResult): string {
  const head = '<details><summary>raw values of the rounds</summary>';
  return [head, '', ...rawLines(scenario, results), '', '</details>'].join('\n');
}

function section(results: ScenarioResult, raw: boolean): string {
  const scenario = SCENARIOS.find(({ id }) => id === results.scenario);
  if (scenario === undefined) return '';
  const about = `\`${scenario.id}\`: ${scenario.about} ${runText(results.run)}`;
  const parts = [`### ${scenario.title}`, about, scenarioTable(scenario, results)];
  return [...parts, ...(raw ? [rawDetails(scenario, results)] : [])].join('\n\n');
}

/** What was asked for on the command line in place of a scenario's own amounts. */
function givenAmounts({ connections, swaps, clients, endpoints }: RunFacts['amounts']): string {
  const given = Object.entries({ connections, swaps, clients, endpoints }).filter(([, value]) => value !== null);
  return given.map(([name, value]) => `, ${name}: ${value}`).join('');
}

function runText({ measured_at, machine, amounts }: RunFacts): string {
  const facts = Object.entries(machine).map(([name, value]) => `${name} ${value}`);
  const measured = `${amounts.rounds} rounds of ${amounts.seconds} s${givenAmounts(amounts)}`;
  return `Measured at ${measured_at} (${facts.join(', ')}): ${measured}.`;
}

export function markdownOf(result: BenchResult, options: { readonly raw: boolean }): string {
  const head = "Medians of the rounds; in brackets the median of the rounds' ratios to the reference.";
  return [head, ...result.scenarios.map(results => section(results, options.raw))].join('\n\n');
}
