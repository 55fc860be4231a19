/** The smallest path through the suite, for real: one scenario, two contestants, one short round. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { readResult } from '../../bench/report/result.ts';
import { ROOT } from '../support/source-tree.ts';

const run = promisify(execFile);
const bench = (...args: string[]) => run(process.execPath, [join(ROOT, 'bench/main.ts'), ...args], { cwd: ROOT });

test('hello on the gateway and inline: a table, JSON and Markdown', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-suite-'));
  t.after(() => rm(folder, { recursive: true }));
  const out = join(folder, 'bench');
  const flags = ['--rounds', '1', '--seconds', '1', '--warm-up', '1', '--out', out];
  const { stdout, stderr } = await bench('--scenario', 'hello', '--contestant', 'gateway,hono', ...flags);

  assert.match(stdout, /\| Hono inline \(reference\) \| [\d,]+ \|/);
  assert.match(stderr, /hello, round 1 of 1, gateway: requests\/s \d+/);
  assert.equal(`${await readFile(`${out}.md`, 'utf8')}`, stdout);
  const [hello] = readResult(`${out}.json`).scenarios;
  assert.deepEqual(
    hello?.contestants.map(({ contestant, rounds, failure }) => [contestant, rounds.length, failure]),
    [
      ['hono', 1, undefined],
      ['gateway', 1, undefined],
    ],
  );
  for (const { rounds } of hello?.contestants ?? []) {
    assert.equal(rounds[0]?.['errors'], 0);
    for (const metric of ['requests_per_s', 'p50_us', 'p99_us', 'alone_p50_us', 'cpu_us', 'main_cpu_us', 'memory_mb']) {
      assert.ok(Number(rounds[0]?.[metric]) > 0, metric);
    }
  }
});

test('the scenarios with a measurement of their own run on the gateway, and lose nothing', async t => {
  const folder = await mkdtemp(join(tmpdir(), 'bench-suite-'));
  t.after(() => rm(folder, { recursive: true }));
  const out = join(folder, 'bench');
  const few = ['--swaps', '5', '--clients', '4', '--endpoints', '1', '--rounds', '1', '--seconds', '1', '--out', out];
  await bench('--scenario', 'flooded,cold,swap,generations,edit-to-live', '--contestant', 'gateway', ...few);

  const readings = new Map(
    readResult(`${out}.json`).scenarios.map(({ scenario, contestants: [gateway] }) => {
      assert.equal(gateway?.failure, undefined, scenario);
      return [scenario, gateway?.rounds[0] ?? {}];
    }),
  );
  const of = (scenario: string, metric: string): number => Number(readings.get(scenario)?.[metric]);
  assert.equal(of('flooded', 'errors'), 0);
  assert.ok(of('flooded', 'served_per_s') > 0 && of('flooded', 'main_busy') > 0);
  assert.ok(of('cold', 'samples') >= 10 && of('cold', 'cold_p50_ms') > 0);
  for (const scenario of ['swap', 'generations']) {
    assert.equal(of(scenario, 'swaps'), 5);
    assert.deepEqual(
      ['failed', 'unanswered', 'stale'].map(metric => of(scenario, metric)),
      [0, 0, 0],
    );
  }
  assert.ok(of('generations', 'images') > 0);
  assert.equal(of('generations', 'old_images'), 0);
  assert.ok(of('edit-to-live', 'live_ms') > of('edit-to-live', 'again_ms'));
});

test('--help lists scenarios and contestants, and an unknown one is refused with those there are', async () => {
  const { stdout } = await bench('--help');
  assert.match(stdout, /echo-64k/);
  assert.match(stdout, /node-http/);
  await assert.rejects(bench('--scenario', 'hallo'), /--scenario hallo: there is hello, /);
});
