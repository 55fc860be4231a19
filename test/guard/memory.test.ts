/** What the heaps of images occupy, and how they give it back: with the guard alone, called directly. */
import assert from 'node:assert/strict';
import process from 'node:process';
import { after, before, test } from 'node:test';
import { HEAP_BYTES_BYTES, readHeapBytes } from '../../src/protocol/guard.ts';
import { handlerLibrary } from '../support/handlers.ts';
import { residentHeapBytes } from '../support/mappings.ts';
import type { GuardedThread } from './guarded-thread.ts';
import { Workbench } from './workbench.ts';

const ARENA_BYTES = 8 << 20;
const PAGE_BYTES = 4_096;
/** `/large` of the C handler writes 100,000 bytes. */
const LARGE_PAGES = 25;
/** Peaks that come and go. */
const CYCLES = 1_000;

let bench: Workbench;
let thread: GuardedThread;
let slot: number;

before(async () => {
  bench = await Workbench.open();
  thread = bench.startThread();
  slot = await thread.run('slot');
});
after(() => bench.close());

const bytes = Buffer.alloc(HEAP_BYTES_BYTES);

function heapBytes(of = slot) {
  assert.equal(bench.guard.heapBytes(of, bytes), 0);
  return readHeapBytes(bytes);
}

async function body(image: number, path: string): Promise<string> {
  const result = await thread.run('call', image, path, 5_000);
  assert.ok(result.kind === 'reply', JSON.stringify(result));
  return result.body;
}

test('a heap occupies the pages that were written to, in this slot, until the image is gone', async () => {
  const other = bench.startThread();
  const otherSlot = await other.run('slot');
  const image = await bench.bind(thread, await bench.handlers.compile());
  assert.deepEqual(heapBytes(), { memoryBytes: 0, memoryLimitBytes: ARENA_BYTES });
  await body(image, '/large');
  assert.deepEqual(heapBytes(), { memoryBytes: LARGE_PAGES * PAGE_BYTES, memoryLimitBytes: ARENA_BYTES });
  assert.equal(residentHeapBytes(ARENA_BYTES), LARGE_PAGES * PAGE_BYTES);
  assert.deepEqual(heapBytes(otherSlot), { memoryBytes: 0, memoryLimitBytes: 0 });
  await bench.unbind(thread, image);
  assert.deepEqual(heapBytes(), { memoryBytes: 0, memoryLimitBytes: 0 });
});

test('two images of a thread count together', async () => {
  const library = await bench.handlers.compile();
  const images = [await bench.bind(thread, library), await bench.bind(thread, library)];
  for (const image of images) await body(image, '/large');
  assert.deepEqual(heapBytes(), { memoryBytes: 2 * LARGE_PAGES * PAGE_BYTES, memoryLimitBytes: 2 * ARENA_BYTES });
  for (const image of images) await bench.unbind(thread, image);
});

test('there is no slot below 0 or beyond the last one', () => {
  for (const none of [-1, 100_000]) assert.equal(bench.guard.heapBytes(none, bytes), -1);
});

test('a library without handler_trim is bound, and trimming it does nothing', async () => {
  const image = await bench.bind(thread, await bench.handlers.compile());
  await body(image, '/large');
  assert.equal((await thread.run('trim', image)).kind, 'nothing');
  assert.equal(heapBytes().memoryBytes, LARGE_PAGES * PAGE_BYTES);
  assert.equal(await body(image, '/count'), '1');
  await bench.unbind(thread, image);
});

test('a C handler gives its arena back, and finds it zeroed', async () => {
  const image = await bench.bind(thread, await bench.handlers.compile('TRIMS'));
  const large = await body(image, '/large');
  assert.equal((await thread.run('trim', image)).kind, 'nothing');
  assert.equal(heapBytes().memoryBytes, 0);
  assert.equal(await body(image, '/large'), large);
  await bench.unbind(thread, image);
});

test('memory that is not of the arena is not given back', async () => {
  const image = await bench.bind(thread, await bench.handlers.compile());
  const INVALID_ARGUMENT = '22';
  assert.equal(await body(image, '/release-foreign'), INVALID_ARGUMENT);
  await bench.unbind(thread, image);
});

test('a thousand peaks are given back; what is kept stays as it was, zeroed memory is zero, and nothing grows', async () => {
  const image = await bench.bind(thread, await handlerLibrary('memory'));
  const rss: number[] = [];
  let highest = 0;
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    assert.equal(await body(image, `/memory?op=keep&n=${1 + (cycle % 200)}`), 'true');
    assert.equal(await body(image, `/memory?op=zeroed&n=${300 + ((cycle * 37) % 3_000)}`), 'true');
    const leaks = cycle % 20 === 0 ? 'boxes_below_leak' : 'boxes';
    assert.equal((await thread.run('call', image, `/memory?op=${leaks}&n=20`, 5_000)).kind, 'reply');
    for (let trims = 0; trims < 2; trims += 1) assert.equal((await thread.run('trim', image)).kind, 'nothing');
    if (cycle >= CYCLES / 2) highest = Math.max(highest, heapBytes().memoryBytes);
    rss.push(process.memoryUsage.rss());
  }
  assert.ok(highest < 2 << 20, `${highest} bytes stay`);
  const [early = 0, late = 0] = [rss.slice(CYCLES / 2, -100), rss.slice(-100)].map(part => Math.min(...part));
  assert.ok(late < early + (16 << 20), `from ${early} to ${late} bytes`);
  await bench.unbind(thread, image);
});

test('heaps are looked at while images come and go', async () => {
  const library = await bench.handlers.compile();
  let isOver = false;
  const comeAndGo = async (): Promise<void> => {
    for (let round = 0; round < 300; round += 1) {
      const image = await bench.bind(thread, library);
      await body(image, '/large');
      await bench.unbind(thread, image);
    }
    isOver = true;
  };
  const seen = new Set<number>();
  const look = async (): Promise<void> => {
    while (!isOver) {
      for (let looks = 0; looks < 20; looks += 1) seen.add(heapBytes().memoryBytes);
      await new Promise(resolve => setImmediate(resolve));
    }
  };
  await Promise.all([comeAndGo(), look()]);
  for (const memoryBytes of seen) assert.ok(memoryBytes <= LARGE_PAGES * PAGE_BYTES, `${memoryBytes} bytes`);
  assert.equal(heapBytes().memoryLimitBytes, 0);
});
