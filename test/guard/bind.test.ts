/** The guard binds handler libraries, and takes every trace of them away again. */
import assert from 'node:assert/strict';
import { readlinkSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import { BIND_ERRORS, UNBIND } from '../../src/protocol/guard.ts';
import type { GuardedThread } from './guarded-thread.ts';
import { Workbench } from './workbench.ts';

const KEYS_OF_AN_IMAGE = 16;
const KEYS_OF_THE_PROCESS = 1024;

let bench: Workbench;
let thread: GuardedThread;
let library: string;

before(async () => {
  bench = await Workbench.open();
  thread = bench.startThread();
  library = await bench.handlers.compile();
});
after(() => bench.close());

/** What a call answers; the image is unbound cleanly afterwards. */
async function answerOfFreshImage(path: string): Promise<string> {
  const image = await bench.bind(thread, library);
  const result = await thread.run('call', image, path, 2000);
  assert.equal(await bench.unbind(thread, image), 0);
  assert.ok(result.kind === 'reply');
  return result.body;
}

test('a C handler is bound, answers, and leaves nothing mapped', async () => {
  const image = await bench.bind(thread, library);
  assert.ok(bench.mapped() > 0);
  assert.equal(bench.guard.images(), 1);
  const result = await thread.run('call', image, '/', 2000);
  assert.deepEqual(result, { kind: 'reply', body: 'hello from C', logBytes: 0 });
  assert.equal(await bench.unbind(thread, image), 0);
  assert.equal(bench.mapped(), 0);
  assert.equal(bench.guard.images(), 0);
});

test('two copies of one library on one thread have statics of their own', async () => {
  const [first, second] = [await bench.bind(thread, library), await bench.bind(thread, library)];
  const counts: unknown[] = [];
  for (const image of [first, first, second, first]) counts.push(await thread.run('call', image, '/count', 2000));
  const bodies = ['1', '2', '1', '3'].map(body => ({ kind: 'reply', body, logBytes: 0 }));
  assert.deepEqual(counts, bodies);
  assert.equal((await bench.unbind(thread, first)) | (await bench.unbind(thread, second)), 0);
});

test('a file that an image is bound to is not bound a second time', async () => {
  const path = await bench.handlers.copy(library);
  const first = await thread.run('bind', path, 2000);
  const second = await thread.run('bind', path, 2000);
  assert.equal(BIND_ERRORS[second.image], 'open_failed');
  assert.match(second.message, /an image of this file is bound already/);
  assert.equal(await bench.unbind(thread, first.image), 0);
  assert.equal(bench.mapped(), 0);
});

test('an answer larger than the buffer waits to be fetched', async () => {
  assert.equal(await answerOfFreshImage('/large'), 'x'.repeat(100_000));
});

test('a request may wait for a host operation, be resumed, or be dropped', async () => {
  const image = await bench.bind(thread, library);
  assert.equal((await thread.run('call', image, '/sleep', 2000)).kind, 'operation');
  assert.deepEqual(await thread.run('resume', image), { kind: 'reply', body: 'slept', logBytes: 0 });
  assert.equal((await thread.run('call', image, '/sleep', 2000)).kind, 'operation');
  assert.equal((await thread.run('cancel', image)).kind, 'dropped');
  assert.equal(await bench.unbind(thread, image), 0);
});

const refusals: readonly (readonly [why: string, define: string, error: string, message: RegExp])[] = [
  ['of another ABI version', 'LIBRARY_ABI=9', 'abi_mismatch', /ABI version 9.* needs version 1/],
  ['without handler_abi', 'WITHOUT_ABI', 'symbol_missing', /no handler_abi/],
  [
    'without handler_entry',
    'WITHOUT_ENTRY',
    'symbol_missing',
    /no handler_entry; is there a function with #\[handler\]/,
  ],
  ['whose handler_init refuses', 'INIT_REFUSES', 'init_failed', /did not answer with the version/],
  ['whose handler_init crashes', 'INIT_CRASHES', 'init_failed', /handler_init faulted/],
];
for (const [why, define, error, message] of refusals) {
  test(`a library ${why} is refused, with the reason`, async () => {
    const refused = await bench.tryBind(thread, await bench.handlers.compile(define));
    assert.equal(BIND_ERRORS[refused.image], error);
    assert.match(refused.message, message);
    assert.equal(refused.fault.kind, define === 'INIT_CRASHES' ? 'memory' : 'none');
    assert.equal(refused.fault.suspect, false);
    assert.equal(bench.mapped(), 0);
    assert.equal(bench.guard.images(), 0);
  });
}

test('a library whose handler_init does not end is refused after the limit', async () => {
  const refused = await bench.tryBind(thread, await bench.handlers.compile('INIT_LOOPS'), 50);
  assert.equal(BIND_ERRORS[refused.image], 'init_failed');
  assert.equal(refused.fault.kind, 'interrupted');
  assert.equal(bench.mapped(), 0);
});

test('a file that is no library is refused with the words of the dynamic linker', async () => {
  const path = bench.pathOf('text.so');
  await writeFile(path, 'this is not an ELF file, but it is long enough to look like one from afar');
  const refused = await bench.tryBind(thread, path);
  assert.equal(BIND_ERRORS[refused.image], 'open_failed');
  assert.match(refused.message, /invalid ELF header/);
});

test('a missing file is refused', async () => {
  const refused = await thread.run('bind', '/nonexistent/library.so', 1000);
  assert.equal(BIND_ERRORS[refused.image], 'open_failed');
  assert.match(refused.message, /cannot open shared object file/);
});

test('a descriptor the image left open is closed with it', async () => {
  const image = await bench.bind(thread, library);
  const result = await thread.run('call', image, '/descriptor', 2000);
  const link = `/proc/self/fd/${result.kind === 'reply' ? result.body : 'none'}`;
  assert.equal(readlinkSync(link), '/dev/null');
  assert.equal(await bench.unbind(thread, image), 0);
  assert.throws(() => readlinkSync(link), { code: 'ENOENT' });
});

test('an image cannot close a descriptor it did not open', async () => {
  assert.equal(await answerOfFreshImage('/close-foreign'), '-1');
});

test('thread-local keys are given back: more images than the process has keys for get all they ask for', async () => {
  for (let image = 0; image * KEYS_OF_AN_IMAGE <= KEYS_OF_THE_PROCESS; image++) {
    assert.equal(await answerOfFreshImage('/keys'), String(KEYS_OF_AN_IMAGE));
  }
});

test('a fault in the clean-up is reported, and the library unmapped all the same', async () => {
  const image = await bench.bind(thread, await bench.handlers.compile('END_CRASHES'));
  assert.equal(await bench.unbind(thread, image), UNBIND.destructorFaulted);
  assert.equal(bench.mapped(), 0);
});

test('an image that is gone, and one of another thread, are refused', async () => {
  const image = await bench.bind(thread, library);
  const other = bench.startThread();
  const refused = await other.run('call', image, '/', 2000);
  assert.deepEqual(
    [refused.kind, refused.kind === 'fault' && refused.message],
    ['fault', 'this thread has no such image'],
  );
  assert.equal(await other.run('unbind', image, 0), -1);
  assert.equal(await bench.unbind(thread, image), 0);
  assert.equal((await thread.run('call', image, '/', 2000)).kind, 'fault');
  assert.equal(await thread.run('unbind', image, 0), -1);
});
