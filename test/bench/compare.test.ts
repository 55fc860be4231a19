import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compare, isFailure, type Comparison } from '../../bench/report/compare.ts';
import { mergeResults, type BenchResult, type ScenarioResult } from '../../bench/report/result.ts';
import { median, percentile, spread } from '../../bench/report/statistics.ts';
import type { Metric, Readings, Scenario } from '../../bench/scenarios/scenario.ts';

const THROUGHPUT: Metric = { id: 'rate', label: 'rate', better: 'higher', check: 'ratio' };
const LATENCY: Metric = { id: 'ms', label: 'ms', better: 'lower', check: 'ratio' };
const GROWTH: Metric = { id: 'growth', label: 'growth', better: 'lower', check: 'itself' };
const LOST: Metric = { id: 'lost', label: 'lost', better: 'lower', check: 'zero' };
const TOLD: Metric = { id: 'told', label: 'told', better: 'lower', check: 'no' };

const scenario: Scenario = {
  id: 'one',
  title: 'one',
  about: '',
  reference: 'hono',
  contestants: ['hono', 'gateway'],
  metrics: [THROUGHPUT, LATENCY, GROWTH, LOST, TOLD],
  measure: () => Promise.reject(new Error('not measured here')),
};

function result(hono: readonly Readings[], gateway: readonly Readings[]): BenchResult {
  const contestants = [
    { contestant: 'hono', rounds: hono },
    { contestant: 'gateway', rounds: gateway },
  ];
  const none = { connections: null, swaps: null, clients: null, endpoints: null };
  const run = { measured_at: '', machine: {}, amounts: { ...none, seconds: 1, warmUpSeconds: 1, rounds: 3 } };
  return { scenarios: [{ scenario: 'one', run, contestants }] };
}

const each = (name: string, values: readonly number[]): Readings[] => values.map(value => ({ [name]: value }));

function compareOne(name: string, before: readonly number[], now: readonly number[], hono = [100, 100, 100]) {
  const comparisons = compare(
    [scenario],
    result(each(name, [100, 100, 100]), each(name, before)),
    result(each(name, hono), each(name, now)),
  );
  assert.equal(comparisons.length, 1);
  return comparisons[0] as Comparison;
}

test('the same ratio on a machine that is half as fast is no regression', () => {
  assert.equal(compareOne('rate', [90, 91, 92], [45, 45.5, 46], [50, 50, 50]).verdict, 'same');
});

test('less throughput than before, beyond the noise, is a regression, and more is not', () => {
  const worse = compareOne('rate', [90, 91, 92], [70, 71, 72]);
  assert.equal(worse.verdict, 'worse');
  assert.ok(isFailure(worse));
  assert.equal(compareOne('rate', [70, 71, 72], [90, 91, 92]).verdict, 'better');
});

test('more latency than before is a regression, and less is not', () => {
  assert.equal(compareOne('ms', [100, 101, 102], [140, 141, 142]).verdict, 'worse');
  assert.equal(compareOne('ms', [140, 141, 142], [100, 101, 102]).verdict, 'better');
});

test('a change that is smaller than what the rounds differ by is none', () => {
  const comparison = compareOne('rate', [70, 90, 110], [60, 75, 95]);
  assert.equal(comparison.verdict, 'same');
  assert.ok(comparison.worseBy > 0.1 && comparison.worseBy < comparison.allowed);
});

test('rounds that lie too far apart say nothing, and are told so', () => {
  const comparison = compareOne('ms', [50, 100, 250], [50, 100, 250]);
  assert.equal(comparison.verdict, 'noisy');
  assert.ok(!isFailure(comparison));
});

test('one round has no noise to hold a change against', () => {
  assert.equal(compareOne('rate', [90], [60]).verdict, 'noisy');
});

test('a ratio is that of the same round, so noise that meets both contestants is none', () => {
  const comparison = compareOne('rate', [90, 90, 90], [45, 90, 180], [50, 100, 200]);
  assert.equal(comparison.now, 0.9);
  assert.ok(comparison.allowed <= 0.1);
});

test('what is a ratio already needs no reference', () => {
  assert.equal(compareOne('growth', [1, 1.01, 1.02], [1.3, 1.31, 1.32]).verdict, 'worse');
  assert.equal(compareOne('growth', [1, 1.01, 1.02], [1, 1.01, 1.02]).verdict, 'same');
});

test('one lost request is one too many, whatever the committed table says', () => {
  assert.equal(compareOne('lost', [5, 5, 5], [0, 0, 0]).verdict, 'same');
  const broken = compareOne('lost', [0, 0, 0], [0, 1, 0]);
  assert.equal(broken.verdict, 'broken');
  assert.ok(isFailure(broken));
});

test('what was measured before and is not any more fails', () => {
  const before = result(each('rate', [100]), each('rate', [90]));
  const [comparison] = compare([scenario], before, result([], each('rate', [90])));
  assert.equal(comparison?.verdict, 'missing');
});

test('what is only told is not compared, nor is a scenario that the new result does not hold', () => {
  const before = result(each('told', [1]), each('told', [1]));
  assert.deepEqual(compare([scenario], before, result(each('told', [9]), each('told', [9]))), []);
  assert.deepEqual(compare([scenario], result(each('rate', [1]), each('rate', [1])), { ...before, scenarios: [] }), []);
});

test('median, percentile and spread', () => {
  assert.equal(median([3, 1, 2]), 2);
  assert.equal(median([4, 1, 2, 3]), 2.5);
  assert.ok(Number.isNaN(median([])));
  const hundred = Array.from({ length: 100 }, (_, index) => index + 1);
  assert.equal(percentile(hundred, 0.5), 51);
  assert.equal(percentile(hundred, 0.99), 100);
  assert.equal(percentile(hundred, 1), 100);
  assert.equal(spread([90, 100, 120]), 0.15);
  assert.equal(spread([100]), 0);
});

test('what is measured again takes the place of what was, and the rest stays', () => {
  const [first, second, third] = [result([], each('rate', [1])), result([], each('rate', [2])), result([], [])];
  const named = ({ scenarios }: BenchResult, scenario: string) => ({ ...scenarios[0], scenario }) as ScenarioResult;
  const earlier = { scenarios: [named(first, 'b'), named(third, 'c')] };
  const later = { scenarios: [named(second, 'b'), named(second, 'a')] };
  const merged = mergeResults(earlier, later, ['a', 'b', 'c']);
  assert.deepEqual(merged.scenarios, [named(second, 'a'), named(second, 'b'), named(third, 'c')]);
});
