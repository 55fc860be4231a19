/** A fault says where in the library it was, whatever it left the stack like. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { TRACE_FRAMES_MAX } from '../../src/protocol/guard.ts';
import type { GuardedThread } from './guarded-thread.ts';
import { Workbench } from './workbench.ts';

interface NamedRange {
  readonly name: string;
  readonly start: number;
  readonly end: number;
}

let bench: Workbench;
let thread: GuardedThread;
let library: string;
let functions: readonly NamedRange[];

async function functionsOf(path: string): Promise<NamedRange[]> {
  const { stdout } = await promisify(execFile)('nm', ['--print-size', path]);
  return [...stdout.matchAll(/^([0-9a-f]+) ([0-9a-f]+) [tT] (\w+)/gm)].map(([, at = '', size = '', name = '']) => {
    const start = Number.parseInt(at, 16);
    return { name, start, end: start + Number.parseInt(size, 16) };
  });
}

before(async () => {
  bench = await Workbench.open();
  thread = bench.startThread();
  library = await bench.handlers.compile();
  functions = await functionsOf(library);
});
after(() => bench.close());

const functionAt = (offset: number): string =>
  functions.find(({ start, end }) => offset >= start && offset < end)?.name ?? offset.toString(16);

/** The functions a call was in when it was left, innermost first, each once. */
async function traceOf(path: string, limitMs: number): Promise<string[]> {
  const image = await bench.bind(thread, library);
  const result = await thread.run('call', image, path, limitMs);
  assert.equal(await thread.run('unbind', image, 0), 0);
  assert.ok(result.kind === 'fault', result.kind);
  return result.fault.trace.map(functionAt);
}

const AT_ONCE = ['/null', '/jump', '/arena', '/memcpy', '/illegal', '/divide', '/abort', '/exit', '/out-of-memory'];
const ENDLESS = ['/loop', '/log-loop', '/malloc-loop', '/pause', '/hold'];

for (const path of AT_ONCE) {
  test(`${path} is traced to the function that did it, and on to the entry point`, async () => {
    assert.deepEqual(await traceOf(path, 2_000), ['fault', 'handler_entry']);
  });
}

for (const path of ENDLESS) {
  test(`${path} is traced to where it was interrupted`, async () => {
    assert.deepEqual((await traceOf(path, 5)).slice(-2), ['run_for_ever', 'handler_entry']);
  });
}

test('a function that libc calls back is found behind it', async () => {
  assert.deepEqual(await traceOf('/qsort', 5), ['compare_for_ever', 'run_for_ever', 'handler_entry']);
});

test('what a wrecked stack pointer leaves to be found is told', async () => {
  assert.deepEqual(await traceOf('/stack-pointer', 2_000), ['fault']);
});

test('of a stack that overflows, the innermost frames are told', async () => {
  assert.deepEqual(
    await traceOf('/stack', 2_000),
    Array.from({ length: TRACE_FRAMES_MAX }, () => 'recurse'),
  );
});

test('a fault that happens nowhere has no trace, not even that of the fault before it', async () => {
  await traceOf('/null', 2_000);
  assert.deepEqual(await traceOf('/smallest', 2_000), []);
});

test('an image can ask where it is', async () => {
  const image = await bench.bind(thread, library);
  const result = await thread.run('call', image, '/trace', 2_000);
  assert.equal(await bench.unbind(thread, image), 0);
  assert.ok(result.kind === 'reply', result.kind);
  assert.deepEqual(
    result.body.split(' ').map(offset => functionAt(Number.parseInt(offset, 16))),
    ['trace_here', 'handler_entry'],
  );
});
