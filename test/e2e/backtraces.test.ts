/** A fault of a real handler, compiled as every handler is, is told with the lines of its source. */
import assert from 'node:assert/strict';
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { Frame } from '../../src/observe/backtrace/symbol-table.ts';
import type { Fault } from '../../src/protocol/guard.ts';
import { answering } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type ApiData, type LogLine } from '../support/gateway.ts';
import { ROOT } from '../support/source-tree.ts';

const CODE = readFileSync(join(ROOT, 'test/fixtures/traced.rs'), 'utf8');
/** The first build ever also compiles the program that reads debug information. */
const FIRST_SYMBOLS_LIMIT_MS = 300_000;

/** Line of the source that ends in `// mark`. */
function lineOf(mark: string): number {
  const line = CODE.split('\n').findIndex(text => text.endsWith(`// ${mark}`)) + 1;
  assert.ok(line > 0, `the source has a line ${mark}`);
  return line;
}

interface FaultLine extends LogLine {
  readonly msg: string;
  readonly fault: Fault;
  readonly backtrace: readonly Frame[];
}

let gateway: RunningGateway;

const artifactsDir = (): string => join(gateway.folder, 'data', 'artifacts');

/** The file of the symbols of the build an endpoint serves, once it is made. */
async function symbolsOf(endpoint: string): Promise<string> {
  const { digest } = (await gateway.must('GET', `/endpoints/${endpoint}`))['build'] as { digest: string };
  const name = `${digest}.symbols`;
  const isThere = async (): Promise<boolean> => (await readdir(artifactsDir())).includes(name);
  await eventually('the symbols of a build', isThere, FIRST_SYMBOLS_LIMIT_MS);
  return join(artifactsDir(), name);
}

before(async () => {
  gateway = await RunningGateway.start();
  await gateway.deploy('traced', { code: CODE, timeout_ms: 3_000 });
  await symbolsOf('traced');
});
after(() => gateway[Symbol.asyncDispose]());

/** Asks for a fault and gives its log line. */
async function faultOf(op: string, endpoint = 'traced'): Promise<FaultLine> {
  const response = await gateway.fetch(`/${endpoint}?op=${op}`);
  const text = await response.text();
  assert.ok(response.status >= 500, `${op}: ${response.status} ${text}`);
  assert.doesNotMatch(text, /lib\.rs|handler_(traced|moved|damaged)|0x/, 'the public answer says nothing of it');
  const id = (JSON.parse(text) as { request_id: string }).request_id;
  return (await gateway.log(line => line.event === 'fault' && line['request_id'] === id)) as FaultLine;
}

/** As `faultOf`, for one that is told with symbols: those it asks for first may be told before they are loaded. */
function tracedFault(op: string, endpoint = 'traced'): Promise<FaultLine> {
  return eventually('a fault with symbols', async () => {
    const line = await faultOf(op, endpoint);
    return line.backtrace[0]?.function === null ? undefined : line;
  });
}

/** Frames of the handler's own source, as `function:mark`, for marks the source has. */
function ownFrames({ backtrace }: FaultLine): readonly string[] {
  const own = backtrace.filter(({ file }) => file === 'src/lib.rs');
  return own.map(({ function: name, line }) => `${name?.replace('handler_traced::', '')}:${line}`);
}

const HANDLE = 'handle::{{closure}}';
const at = (name: string, mark: string): string => `${name}:${lineOf(mark)}`;

test('a write to a bad address in a nested function is told with every function on the way, inlined or not', async () => {
  const line = await tracedFault('null');
  assert.equal(line.msg, `memory fault at address 0x8 in handler_traced::inner (src/lib.rs:${lineOf('null')})`);
  assert.deepEqual(ownFrames(line), [at('inner', 'null'), at('outer', 'null: outer'), at(HANDLE, 'null: caller')]);
  assert.equal(line.fault.kind, 'memory');
  assert.ok(line.fault.trace.length > 0, 'the raw offsets are there too');
});

test('an index out of bounds in a closure that was inlined is a line of the closure', async () => {
  const line = await tracedFault('index');
  assert.match(line.msg, new RegExp(`^index out of bounds: .*, src/lib.rs:${lineOf('index')}:`));
  assert.deepEqual(ownFrames(line), [at('sum::{{closure}}', 'index'), at('sum', 'index'), at(HANDLE, 'index: caller')]);
  assert.equal(line.backtrace[0]?.line, lineOf('index'), 'what reports panics is left out');
});

test('a panic after an await has its line', async () => {
  const line = await tracedFault('later');
  assert.deepEqual(ownFrames(line), [at(HANDLE, 'later')]);
  assert.equal(line.backtrace.length, 1, 'what runs handlers is left out');
});

test('a panic that a library raises or that passes through one keeps the frames of the library', async () => {
  const unwrapped = await tracedFault('unwrap');
  assert.deepEqual(ownFrames(unwrapped), [at(HANDLE, 'unwrap')]);
  const sorted = await tracedFault('sort');
  assert.equal(ownFrames(sorted)[0], at('sort::{{closure}}', 'sort'));
  const files = sorted.backtrace.map(({ file }) => file);
  assert.ok(files.includes('alloc/src/slice.rs'), files.join());
  assert.ok(!files.some(file => file?.startsWith('/')), 'no path of the machine it was built on');
});

test('a stack that overflows names the function that calls itself', async () => {
  const line = await tracedFault('stack');
  assert.match(line.msg, /^stack overflow in handler_traced::recurse \(src\/lib\.rs:\d+\)$/);
  assert.equal(ownFrames(line).at(-1), at('recurse', 'stack'));
  assert.equal(line.backtrace.length, 64);
});

test('an endless loop is told with where it was when its time was over', async () => {
  const line = await tracedFault('loop');
  assert.match(line.msg, /^interrupted, out of time, in handler_traced::spin \(src\/lib\.rs:\d+\)$/);
  assert.equal(ownFrames(line).at(-1), at(HANDLE, 'loop: caller'));
});

test('memory that is used up, and an abort, are told with the line that wanted it', async () => {
  const line = await tracedFault('memory');
  assert.equal(line.msg, `out of memory in handler_traced::hoard (src/lib.rs:${lineOf('memory')})`);
  assert.deepEqual(ownFrames(line), [at('hoard', 'memory'), at(HANDLE, 'memory: caller')]);
  const aborted = await tracedFault('abort');
  assert.equal(aborted.msg, `abort in handler_traced::handle (src/lib.rs:${lineOf('abort')})`);
});

test("the handler's log in the API has the backtrace beside the fault", async () => {
  const { msg, backtrace } = await tracedFault('null');
  const logs = (await gateway.must('GET', '/endpoints/traced/logs?limit=1')) as unknown as ApiData[];
  assert.deepEqual([logs[0]?.['kind'], logs[0]?.['message'], logs[0]?.['backtrace']], ['fault', msg, backtrace]);
});

test('a generation that is no longer served keeps its own lines', async () => {
  await gateway.deploy('moved', { code: CODE });
  await symbolsOf('moved');
  await gateway.redeploy('moved', `\n\n${CODE}`);
  await symbolsOf('moved');
  assert.match((await tracedFault('null', 'moved')).msg, new RegExp(`lib\\.rs:${lineOf('null') + 2}\\)`));
  await gateway.must('POST', '/endpoints/moved/rollback');
  assert.match((await tracedFault('null', 'moved')).msg, new RegExp(`lib\\.rs:${lineOf('null')}\\)`));
});

test('with a damaged file of symbols, or none, a fault is told with its offsets', async () => {
  await gateway.deploy('damaged', { code: CODE });
  const path = await symbolsOf('damaged');
  const bytes = await readFile(path);
  await chmod(path, 0o600);
  await writeFile(path, bytes.fill(0xa5, bytes.length >> 1));
  const line = await faultOf('null', 'damaged');
  assert.match(line.msg, /^memory fault at address 0x8 at offset 0x[0-9a-f]+ of the library$/);
  assert.deepEqual(
    line.backtrace.map(({ offset }) => Number(offset)),
    line.fault.trace,
  );
  assert.ok(gateway.lines.some(({ event }) => event === 'symbols_unreadable'));
  await gateway.redeploy('damaged', answering('well'));
  assert.equal(await (await gateway.fetch('/damaged')).text(), 'well');
});
