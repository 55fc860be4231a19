/**
 * Holds the last result against the committed one, and fails on a regression: `npm run bench && npm run bench:check`.
 * With `--accept`, makes what the last result holds the committed one, and writes the tables into README.md.
 */
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { BENCH, RESULTS } from './harness/places.ts';
import { compare, isFailure, type Comparison } from './report/compare.ts';
import { markdownOf, numberText } from './report/markdown.ts';
import { mergeResults, readResult, writeResult, writeText } from './report/result.ts';
import { tableLines } from './report/table.ts';
import { SCENARIOS } from './scenarios/index.ts';

const HELP = `Holds a result of the bench against the committed one; ends with 1 when a ratio is worse by more than its noise.

Usage: npm run bench:check -- [flags]

  --current    the new result (bench/results/bench.json)
  --baseline   the committed one (bench/baseline.json)
  --accept     put the scenarios of the new result in place of those of the committed one, and their tables into
               bench/README.md
  --help`;

const README = join(BENCH, 'README.md');
const [BEGIN, END] = ['<!-- results: begin -->', '<!-- results: end -->'];

function accept(current: string, baseline: string): void {
  const earlier = existsSync(baseline) ? readResult(baseline) : { scenarios: [] };
  const ids = SCENARIOS.map(({ id }) => id);
  const result = mergeResults(earlier, readResult(current), ids);
  const page = readFileSync(README, 'utf8');
  const [begin, end] = [page.indexOf(BEGIN), page.indexOf(END)];
  if (begin === -1 || end < begin) throw new Error(`${README} has no place for the results`);
  writeResult(baseline, result);
  writeText(
    README,
    `${page.slice(0, begin + BEGIN.length)}\n\n${markdownOf(result, { raw: false })}\n\n${page.slice(end)}`,
  );
  console.log(`accepted: ${baseline} and ${README}`);
}

const text = (value: number | null): string => (value === null ? '–' : numberText(value, 3));

function toRow({ scenario, metric, verdict, before, now, worseBy, allowed }: Comparison) {
  const percent = (share: number): string => `${(share * 100).toFixed(0)} %`;
  const change = metric.check === 'zero' ? '' : percent(worseBy);
  const limit = metric.check === 'zero' ? '' : percent(allowed);
  return {
    scenario,
    metric: metric.label,
    before: text(before),
    now: text(now),
    'worse by': change,
    allowed: limit,
    verdict,
  };
}

function check(current: string, baseline: string): void {
  const missing = [current, baseline].find(path => !existsSync(path));
  if (missing !== undefined) {
    console.error(
      `${missing} is not there: "npm run bench" makes a result, "npm run bench:check -- --accept" the committed one.`,
    );
    process.exitCode = 1;
    return;
  }
  const comparisons = compare(SCENARIOS, readResult(baseline), readResult(current));
  for (const line of tableLines(comparisons.map(toRow))) console.log(line);
  const failures = comparisons.filter(isFailure);
  console.log(`\n${comparisons.length} figures compared, ${failures.length} regressed`);
  if (failures.length > 0 || comparisons.length === 0) process.exitCode = 1;
}

const { values } = parseArgs({
  options: {
    current: { type: 'string', default: join(RESULTS, 'bench.json') },
    baseline: { type: 'string', default: join(BENCH, 'baseline.json') },
    accept: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
});
if (values.help) console.log(HELP);
else if (values.accept) accept(values.current, values.baseline);
else check(values.current, values.baseline);
