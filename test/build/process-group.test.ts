import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { getPriority } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { runGroup, type GroupOptions } from '../../src/build/process-group.ts';
import { eventually } from '../support/eventually.ts';
import { ROOT } from '../support/source-tree.ts';

/** Starts a child and a grandchild that ignores polite signals, says both process ids, and never ends. */
const ENDLESS = `(trap '' TERM HUP INT; echo grandchild $$; while :; do sleep 1000; done) &
  (exec sh -c 'echo child $$; exec sleep 1000') & echo self $$; wait`;

function run(script: string, options: Partial<GroupOptions> = {}) {
  const lines: string[] = [];
  const result = runGroup({
    command: '/bin/sh',
    arguments: ['-c', script],
    folder: '/',
    environment: { PATH: process.env['PATH'], ONLY: 'this' },
    timeoutMs: 60_000,
    signal: new AbortController().signal,
    onOutputLine: line => lines.push(line),
    ...options,
  });
  return { lines, result };
}

function isAlive(pid: number): boolean {
  if (!existsSync(`/proc/${pid}/stat`)) return false;
  return !/^\d+ \(.*\) Z/.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
}

const pidsIn = (lines: readonly string[]): number[] => lines.map(line => Number(line.split(' ')[1]));

async function allGone(pids: readonly number[]): Promise<void> {
  assert.equal(pids.length, 3);
  await eventually('all processes of the group are gone', () => !pids.some(isAlive));
}

test('status, output lines and the end of the error output come back', async () => {
  const { lines, result } = run('echo one; echo two; echo wrong >&2; exit 3');
  assert.deepEqual(await result, { end: 'exited', status: 3, errorOutput: 'wrong\n' });
  assert.deepEqual(lines, ['one', 'two']);
});

test('the command sees the environment it was given and nothing else', async () => {
  const { lines, result } = run('env -u _');
  await result;
  const names = new Set(lines.map(line => line.slice(0, line.indexOf('='))));
  assert.deepEqual(names, new Set(['ONLY', 'PATH', 'PWD']));
});

test('the command lets handlers and the gateway go first', async () => {
  const niceness = Math.min(19, getPriority() + 7);
  const { result } = run(`until [ "$(nice)" -eq ${niceness} ]; do :; done`);
  assert.deepEqual(await result, { end: 'exited', status: 0, errorOutput: '' });
});

test('a great deal of error output is kept at its end', async () => {
  const { errorOutput } = await run('yes x | head -c 1000000 >&2; echo last >&2').result;
  assert.equal(errorOutput.length, 64 * 1024);
  assert.ok(errorOutput.endsWith('last\n'));
});

test('a command that does not exist is a status, a folder that does not exist an error', async () => {
  assert.equal((await run('', { command: '/nowhere/cargo' }).result).status, 127);
  await assert.rejects(run('true', { folder: '/nowhere' }).result, { code: 'ENOENT' });
});

test('at the time limit the whole group is killed', async () => {
  const { lines, result } = run(ENDLESS, { timeoutMs: 1_500 });
  const { end, status } = await result;
  assert.deepEqual([end, status], ['timed_out', null]);
  await allGone(pidsIn(lines));
});

test('aborting kills the whole group', async () => {
  const abort = new AbortController();
  const { lines, result } = run(ENDLESS, { signal: abort.signal });
  await eventually('the group runs', () => lines.length === 3);
  abort.abort();
  assert.equal((await result).end, 'aborted');
  await allGone(pidsIn(lines));
});

test('what a command leaves behind is killed when it ends', async () => {
  const { lines, result } = run(`${ENDLESS.replace('; wait', '')}; while [ ! -e /nowhere ]; do sleep 0.2; break; done`);
  assert.deepEqual((await result).status, 0);
  await allGone(pidsIn(lines));
});

test('the group ends when the process that runs it is killed', async () => {
  const runner = spawn(process.execPath, [join(ROOT, 'test/fixtures/group-runner.ts'), ENDLESS], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines: string[] = [];
  createInterface({ input: runner.stdout }).on('line', line => lines.push(line));
  await eventually('the group runs', () => lines.length === 3);
  runner.kill('SIGKILL');
  await allGone(pidsIn(lines));
});
