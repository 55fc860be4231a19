import assert from 'node:assert/strict';
import { test } from 'node:test';
import { markdownOf } from '../../bench/report/markdown.ts';
import type { BenchResult } from '../../bench/report/result.ts';
import { SCENARIOS } from '../../bench/scenarios/index.ts';
import { CONTESTANTS } from '../../bench/contestants/index.ts';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { ROOT } from '../support/source-tree.ts';

const none = { connections: null, swaps: null, clients: null, endpoints: null };
const round = (rate: number) => ({ requests_per_s: rate, alone_p50_us: 1e6 / rate, errors: 0 });
const result: BenchResult = {
  scenarios: [
    {
      scenario: 'hello',
      run: {
        measured_at: 'today',
        machine: { cores: 2 },
        amounts: { ...none, seconds: 5, warmUpSeconds: 2, rounds: 3 },
      },
      contestants: [
        { contestant: 'hono', rounds: [round(1000), round(3000), round(2000)] },
        { contestant: 'gateway', rounds: [round(900), round(2700), round(2000)] },
        { contestant: 'bun', rounds: [], failure: 'npm ci:\nno such | package' },
        { contestant: 'deno', rounds: [round(5000)], failure: 'it ended' },
      ],
    },
  ],
};
const table = markdownOf(result, { raw: true });

test('the table gives medians, and in brackets the median of the ratios round by round', () => {
  assert.match(table, /^\| Hono inline \(reference\) \| 2,000 \|/m);
  assert.match(table, /^\| gateway \| 2,000 \(0\.90\) \| 500 \(1\.11, \+0\) \|/m);
});

test('raw values of every round are there', () => {
  assert.match(table, /^- gateway, requests\/s: 900 · 2,700 · 2,000$/m);
});

test('the page of the bench holds the tables without them: they are in the JSON beside it', () => {
  assert.doesNotMatch(markdownOf(result, { raw: false }), /<details>/);
});

test('a contestant that could not take part keeps its line, with the reason', () => {
  assert.match(table, /^\| Bun \| not measured: npm ci: no such \\\| package \|/m);
  assert.match(table, /^\| Deno; stopped after 1 rounds: it ended \| 5,000/m);
});

test('scenarios name contestants that there are, and each contestant says how it is set up', () => {
  const known = CONTESTANTS.map(({ id }) => id);
  for (const { id, contestants, reference } of SCENARIOS) {
    assert.deepEqual(
      contestants.filter(contestant => !known.includes(contestant)),
      [],
      id,
    );
    assert.ok(reference === null || contestants.includes(reference), id);
  }
  for (const { id, setUp } of CONTESTANTS) assert.ok(setUp.length > 40, id);
  assert.equal(new Set(SCENARIOS.map(({ id }) => id)).size, SCENARIOS.length);
});

test('the page of the bench tells how every contestant is set up, and what every scenario is called', () => {
  const page = readFileSync(join(ROOT, 'bench/README.md'), 'utf8');
  for (const { title, setUp } of CONTESTANTS) assert.ok(page.includes(`| ${title} | ${setUp} |`), title);
  for (const { id } of SCENARIOS) assert.ok(page.includes(`\`${id}\``), id);
  assert.ok(page.includes('<!-- results: begin -->') && page.includes('<!-- results: end -->'));
});

test('every package of a contestant is pinned, and its lock file names no registry', () => {
  for (const id of ['workerd', 'deno', 'bun', 'pm2', 'watt']) {
    const folder = join(ROOT, 'bench/contestants', id);
    const { dependencies } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8')) as {
      dependencies: Record<string, string>;
    };
    for (const version of Object.values(dependencies)) assert.match(version, /^\d+\.\d+\.\d+$/);
    assert.ok(existsSync(join(folder, 'package-lock.json')));
    assert.doesNotMatch(readFileSync(join(folder, 'package-lock.json'), 'utf8'), /"resolved"/);
  }
});
