/** A moment of the bench that measures calls alone, so that it does not rot. */
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

test('bench:guard prints a table and writes JSON', async () => {
  const { stdout, rows } = await bench('micro/guard', ['--calls', '10000', '--rounds', '2']);
  assert.match(stdout, /an entry point that does nothing/);
  assert.deepEqual(
    rows.map(row => row['call']),
    ['koffi alone', 'koffi and guard', 'the guard'],
  );
  assert.ok(Number(rows[1]?.['median ns']) > 0);
});
