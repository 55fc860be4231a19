/** Log lines of an image are kept by the guard, whatever becomes of the image. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { HandlerLogLine } from '../../src/protocol/guard.ts';
import type { CallResult, GuardedThread } from './guarded-thread.ts';
import { Workbench } from './workbench.ts';

const LOG_BYTES = 64 * 1024;
const LINE_BYTES_MAX = 8 * 1024;
const FLOOD_LINES = 10_000;

let bench: Workbench;
let thread: GuardedThread;
let library: string;

before(async () => {
  bench = await Workbench.open();
  thread = bench.startThread();
  library = await bench.handlers.compile();
});
after(() => bench.close());

/** Calls a fresh image; its last words of `handler_end` are not in what it gives. */
async function callOnce(path: string): Promise<{ result: CallResult; lines: HandlerLogLine[] }> {
  const image = await bench.bind(thread, library);
  const result = await thread.run('call', image, path, 2000);
  const lines = await thread.run('takeLog');
  assert.equal(await thread.run('unbind', image, 0), 0);
  return { result, lines };
}

test('a line logged right before a crash survives it', async () => {
  const { result, lines } = await callOnce('/log-then-crash');
  assert.deepEqual([result.kind, result.logBytes], ['fault', 8 + 'about to crash'.length]);
  assert.deepEqual(lines, [{ level: 'error', message: 'about to crash' }]);
});

test('what handler_end logs can be taken after the image is gone', async () => {
  const image = await bench.bind(thread, library);
  assert.equal(await thread.run('unbind', image, 2000), 0);
  assert.deepEqual(await thread.run('takeLog'), [{ level: 'info', message: 'ended' }]);
  assert.deepEqual(await thread.run('takeLog'), []);
});

test('a line that is too long is cut', async () => {
  const { lines } = await callOnce('/log-long');
  assert.deepEqual(lines, [{ level: 'info', message: 'x'.repeat(LINE_BYTES_MAX) }]);
});

test('lines that do not fit are counted, and the last line says how many', async () => {
  const { result, lines } = await callOnce('/log-flood');
  assert.ok(result.logBytes <= LOG_BYTES);
  const kept = lines.filter(line => line.message === 'one of ten thousand lines').length;
  assert.ok(kept > 1000);
  assert.equal(lines.length, kept + 1);
  assert.deepEqual(lines.at(-1), { level: 'warn', message: `${FLOOD_LINES - kept} log lines dropped` });
});

test('a small buffer takes whole lines and leaves the rest for later', async () => {
  const image = await bench.bind(thread, library);
  await thread.run('call', image, '/log-flood', 2000);
  const first = await thread.run('takeLog', 100);
  const rest = await thread.run('takeLog');
  assert.deepEqual(
    first.map(line => line.message),
    Array(3).fill('one of ten thousand lines'),
  );
  assert.match(rest.at(-1)?.message ?? '', /log lines dropped$/);
  assert.equal(await thread.run('unbind', image, 0), 0);
});
