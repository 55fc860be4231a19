/** Libraries that break the ABI: nothing an image writes can harm the worker or the main thread. */
import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { CHandlers } from '../guard/libraries.ts';
import { eventually } from '../support/eventually.ts';
import { ask, text } from './harness.ts';
import { ringPools } from './ring-pools.ts';

const folder = await mkdtemp(join(tmpdir(), 'c-handler-'));
after(() => rm(folder, { recursive: true }));
const library = await new CHandlers(folder).compile();
const pools = await ringPools();
const { pool, events } = await pools.make({ timeoutMs: 300 }, library);
assert.equal(await pool.bind(1), null);

const answerTo = (path: string): Promise<string> => text(ask(pool, '', { path }));

for (const what of [
  'past-capacity',
  'endless',
  'cut-off',
  'record-past-output',
  'fetch-grows',
  'short-reply',
  'short-panic',
  'short-operation',
  'short-cancel',
  'empty-record',
]) {
  test(`output that is ${what}: the request fails, the image is thrown away, the worker goes on`, async () => {
    const faults = events.faults.length;
    assert.equal(await answerTo(`/output-${what}`), 'handler_crashed');
    await eventually('the fault', () => events.faults.length > faults);
    assert.equal(events.faults.at(-1)?.fault.kind, 'invalid_output');
    assert.equal(await answerTo('/count'), '200 1', 'a fresh image');
  });
}

test('a panic record whose message would go past its end is cut there', async () => {
  assert.equal(await answerTo('/output-long-panic-message'), 'handler_panicked');
  // Eight bytes that are not all text.
  assert.equal(events.faults.at(-1)?.fault.message?.length, 7);
});

test('thousands of random outputs leave a worker that answers, and a process that is not suspect', async () => {
  for (let round = 0; round < 20; round++) {
    await Promise.all(Array.from({ length: 250 }, () => answerTo('/output-random')));
    assert.equal(await answerTo('/'), '200 hello from C');
  }
  assert.deepEqual(events.suspicions, []);
  assert.deepEqual(events.bindFailures, []);
  assert.deepEqual(await pool.retire(1_000), { outcome: 'drained', stillMapped: false });
});
