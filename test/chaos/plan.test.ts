import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DENIED, ENDLESS, FAULTS } from '../support/misdeeds.ts';
import { ACTION_KINDS, drawPlan } from './plan.ts';
import { Random } from './random.ts';

test('the same seed and length give the same plan, another seed another one', () => {
  assert.deepEqual(drawPlan(7, 60), drawPlan(7, 60));
  assert.notDeepEqual(drawPlan(7, 60), drawPlan(8, 60));
});

test('a minute has every kind of injection, every fault and every endless call', () => {
  for (const seed of [1, 2, 3, 4_000_000_000]) {
    const plan = drawPlan(seed, 60);
    assert.deepEqual(new Set(plan.map(({ kind }) => kind)), new Set(ACTION_KINDS));
    const ops = new Set(plan.flatMap(one => (one.kind === 'fault' || one.kind === 'endless' ? [one.misdeed.op] : [])));
    assert.deepEqual(ops, new Set([...FAULTS, ...ENDLESS].map(({ op }) => op)));
    const denied = new Set<string>(DENIED);
    assert.ok(plan.every(one => one.kind !== 'denied' || denied.has(one.op)));
  }
});

test('injections come in the order of their times, within the length of the run', () => {
  const plan = drawPlan(3, 60);
  assert.deepEqual(
    plan,
    plan.toSorted((a, b) => a.atMs - b.atMs),
  );
  assert.ok(plan.every(({ atMs }) => atMs >= 0 && atMs < 60_000));
});

test('leaving kinds out leaves the others as they were', () => {
  const swaps = drawPlan(5, 60).filter(({ kind }) => kind === 'rollback');
  assert.ok(swaps.length > 20);
  assert.deepEqual(drawPlan(5, 60, ['rollback']), swaps);
});

test('random numbers are repeatable, spread evenly, and another stream for each label', () => {
  const draw = (random: Random): number[] => Array.from({ length: 10_000 }, () => random.whole(1, 10));
  assert.deepEqual(draw(new Random(9)), draw(new Random(9)));
  assert.notDeepEqual(draw(new Random(9).fork('a')), draw(new Random(9).fork('b')));
  const counts = Map.groupBy(draw(new Random(9)), value => value);
  assert.equal(counts.size, 10);
  for (const values of counts.values()) assert.ok(Math.abs(values.length - 1_000) < 150, `${values.length} of 10,000`);
});
