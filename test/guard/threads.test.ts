/** Slots belong to threads: kept as long as the thread lives, given back when it ends. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { Workbench } from './workbench.ts';

let bench: Workbench;
let library: string;

before(async () => {
  bench = await Workbench.open();
  library = await bench.handlers.compile();
});
after(() => bench.close());

test('a thread that opens again gets the same slot', async () => {
  const thread = bench.startThread();
  assert.equal(await thread.run('reopen'), await thread.run('slot'));
});

test('two threads have slots of their own', async () => {
  const [first, second] = [bench.startThread(), bench.startThread()];
  assert.notEqual(await first.run('slot'), await second.run('slot'));
});

test('setting up a second time changes nothing', () => {
  assert.equal(bench.guard.install(), 0);
});

test('a thread that ends with an image bound takes it along, and its slot is free again', async () => {
  const thread = bench.startThread();
  const slot = await thread.run('slot');
  await bench.bind(thread, library);
  assert.equal(bench.guard.images(), 1);
  await thread.end();
  await eventually('the image is gone', () => bench.guard.images() === 0);
  assert.equal(bench.mapped(), 0);
  const next = bench.startThread();
  assert.equal(await next.run('slot'), slot);
});

test('nothing runs in a slot that no thread has', () => {
  for (const slot of [-1, 255, 256]) {
    assert.equal(BigInt(bench.guard.running(slot)), 0n);
    assert.equal(bench.guard.interrupt(slot, 1), 1);
  }
});

/** `(module (memory 1) (func (export "f") (result i32) i32.const -1 i32.load))`: accesses memory it does not have. */
const WILD_LOAD = Buffer.from(
  '0061736d010000000105016000017f030201000503010001070501016600000a09010700417f2802000b',
  'hex',
);

/** The part of the WebAssembly API used here; the type definitions of Node have none of it. */
interface WebAssemblyApi {
  readonly RuntimeError: ErrorConstructor;
  instantiate(bytes: Uint8Array): Promise<{ instance: { exports: { f(): number } } }>;
}
const { WebAssembly } = globalThis as unknown as { WebAssembly: WebAssemblyApi };

test('faults that V8 expects still reach V8', async () => {
  const { instance } = await WebAssembly.instantiate(WILD_LOAD);
  assert.throws(() => instance.exports.f(), WebAssembly.RuntimeError);
});
