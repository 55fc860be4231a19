/** A second of each bench, so that none rots. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ROOT } from '../support/source-tree.ts';

const run = promisify(execFile);

async function bench(
  name: string,
  args: readonly string[],
): Promise<{ stdout: string; rows: Record<string, unknown>[] }> {
  const { stdout } = await run(process.execPath, [join(ROOT, 'bench', `${name}.ts`), ...args], { cwd: ROOT });
  const { rows } = JSON.parse(await readFile(join(ROOT, 'bench', 'results', `${basename(name)}.json`), 'utf8')) as {
    rows: Record<string, unknown>[];
  };
  return { stdout, rows };
}

test('bench:compile prints a table and writes JSON', async () => {
  const { stdout, rows } = await bench('compile', ['--endpoints', '1']);
  assert.match(stdout, /one-line edit/);
  assert.deepEqual(
    rows.map(row => row['ms']),
    ['first compile', 'one-line edit', 'built before', 'edit to live'],
  );
  assert.ok(rows.every(row => Number(row['median']) > 0));
});

test('bench:swap prints a table and writes JSON', async () => {
  const { stdout, rows } = await bench('swap', ['--seconds', '1']);
  assert.match(stdout, /swaps under 32 clients; \d+ requests, 0 failed/);
  assert.deepEqual(
    rows.map(row => row['ms']),
    ['swap_ms', 'load', 'flip', 'first request', 'drain'],
  );
  assert.ok(rows.every(row => Number(row['p50']) >= 0));
});

test('bench:guard prints a table and writes JSON', async () => {
  const { stdout, rows } = await bench('micro/guard', ['--calls', '10000', '--rounds', '2']);
  assert.match(stdout, /an entry point that does nothing/);
  assert.deepEqual(
    rows.map(row => row['call']),
    ['koffi alone', 'koffi and guard', 'the guard'],
  );
  assert.ok(Number(rows[1]?.['median ns']) > 0);
});

test('bench:fairness prints a table and writes JSON', async () => {
  const { stdout, rows } = await bench('fairness', ['--seconds', '1', '--rounds', '1', '--flood', '500']);
  assert.match(stdout, /a quiet endpoint beside a flooded one/);
  assert.deepEqual(
    rows.map(row => row['queue']),
    ['default', 'short'],
  );
  for (const row of rows) {
    assert.ok(Number(row['p99 µs alone']) > 0 && Number(row['p99 µs beside']) > 0);
    assert.ok(Number(row['main thread busy']) > 0);
    assert.ok(Number(row['flood served/s']) > 0);
  }
});
