/**
 * Swaps between builds while clients ask without a pause. `SWAPS=1000 npm run soak` makes it the long run, which
 * also demands flat memory.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { answering } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway } from '../support/gateway.ts';
import { startLoad, type LedgerEntry } from '../support/load.ts';

const SWAPS = Number(process.env['SWAPS'] ?? 60);
const MEMORY_GROWTH_MAX = 0.05;
/** A process that heard of a flip later than the other one would be found in some of them. */
const FLIPS = 60;

async function residentKib(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8');
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]);
}

/** Three builds in turn, so that an answer names its generation: the one before last never looks like the next one. */
const answerOf = (generation: number): string => `build ${generation % 3}`;

/** Generations 1 to 3 of the endpoint `swapped`; a rollback to one three back is the next. */
async function deployBuilds(gateway: RunningGateway): Promise<void> {
  await gateway.deploy('swapped', { code: answering(answerOf(1)) });
  await gateway.redeploy('swapped', answering(answerOf(2)));
  await gateway.redeploy('swapped', answering(answerOf(3)));
}

test(`${SWAPS} swaps under 40 clients lose no request, answer nothing stale and leave nothing mapped`, async t => {
  await using gateway = await RunningGateway.start({ settings: { HANDLER_THREADS: '1' } });
  await deployBuilds(gateway);
  const [pid = 0] = await gateway.servingPids();

  let newest = 3;
  let swapping = false;
  const wrong: LedgerEntry[] = [];
  const load = startLoad({
    url: `${gateway.url}/swapped`,
    keepAlive: 32,
    reconnecting: 8,
    newest: () => newest,
    keep(entry) {
      const last = swapping ? newest + 1 : newest;
      const allowed = Array.from({ length: last - entry.newestAtStart + 1 }, (_, index) => entry.newestAtStart + index);
      if (entry.status !== 200 || !allowed.map(answerOf).includes(entry.body)) wrong.push(entry);
      return false;
    },
  });

  const swapMs: number[] = [];
  let halfway = 0;
  for (let swap = 0; swap < SWAPS; swap += 1) {
    const before = load.finished();
    swapping = true;
    const answer = await gateway.must('POST', '/endpoints/swapped/rollback', { generation: newest - 2 });
    newest = Number(answer['generation']);
    swapping = false;
    swapMs.push(Number(answer['swap_ms']));
    await eventually('every client has asked the new generation', () => load.finished() > before + 80);
    if (swap === Math.floor(SWAPS / 2)) halfway = await residentKib(pid);
  }
  await load.stop();
  const finish = await residentKib(pid);

  assert.deepEqual(wrong.slice(0, 5), [], `${wrong.length} of ${load.finished()} requests went wrong`);
  assert.equal(newest, SWAPS + 3);
  const images = await eventually('only the serving generation is mapped', async () => {
    const mapped = await mappedImages(pid, 'swapped');
    return mapped.every(image => image.includes(`.g${newest}.`)) && mapped;
  });
  assert.ok(images.length > 0, 'the serving generation is mapped');
  assert.deepEqual(await gateway.servingPids(), [pid], 'the process is the same');

  swapMs.sort((a, b) => a - b);
  t.diagnostic(
    `${load.finished()} requests; swap_ms p50 ${swapMs[SWAPS >> 1]} p99 ${swapMs[Math.floor(SWAPS * 0.99)]} max ${swapMs.at(-1)}; ` +
      `memory ${halfway} KiB halfway, ${finish} KiB at the end`,
  );
  if (SWAPS >= 1000)
    assert.ok(finish <= halfway * (1 + MEMORY_GROWTH_MAX), `memory grew from ${halfway} to ${finish} KiB`);
});

test('processes flip at the same instant: who was answered by a new generation is never answered by an older one', async () => {
  await using gateway = await RunningGateway.start({ settings: { HANDLER_THREADS: '1', PROCESSES: '2' } });
  await deployBuilds(gateway);
  let next = 4;
  let seen = 3;
  const older: LedgerEntry[] = [];
  const load = startLoad({
    url: `${gateway.url}/swapped`,
    keepAlive: 24,
    reconnecting: 8,
    newest: () => seen,
    keep(entry) {
      if (entry.status === 200 && entry.body === answerOf(next)) seen = next;
      else if (entry.newestAtStart === next || entry.body !== answerOf(next - 1)) older.push(entry);
      return false;
    },
  });
  for (let swap = 0; swap < FLIPS; swap += 1) {
    await gateway.must('POST', '/endpoints/swapped/rollback', { generation: next - 3 });
    const before = load.finished();
    await eventually('every client has asked the new generation', () => load.finished() > before + 32);
    next += 1;
  }
  await load.stop();
  assert.deepEqual(older.slice(0, 5), [], `${older.length} of ${load.finished()} requests went to an older generation`);
});
