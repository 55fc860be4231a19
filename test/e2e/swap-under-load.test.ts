/**
 * Swaps between builds while clients ask without a pause. `SWAPS=1000 npm run soak` makes it the long run, which
 * also demands flat memory.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import process from 'node:process';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { answering } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway } from '../support/gateway.ts';
import { startLoad, type LedgerEntry } from '../support/load.ts';

const SWAPS = Number(process.env['SWAPS'] ?? 60);
const MEMORY_GROWTH_MAX = 0.05;

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

test('a process that stands still has flipped all the same: its next request goes to the new generation', async () => {
  await using gateway = await RunningGateway.start({ settings: { HANDLER_THREADS: '1', SPARE_PROCESSES: '0' } });
  await deployBuilds(gateway);
  const [pid = 0] = await gateway.servingPids();
  let looks = 0;
  await eventually('what a rollback goes back to is loaded ahead, and the supervisor knows', async () => {
    const maps = await readFile(`/proc/${pid}/maps`, 'utf8');
    if (maps.includes('libhandler_swapped.next.')) looks += 1;
    // With the process's figures comes what it has said before them.
    await gateway.must('GET', '/stats');
    return looks >= 5;
  });
  process.kill(pid, 'SIGSTOP');
  const deployed = gateway.must('POST', '/endpoints/swapped/rollback');
  await eventually('the swap is committed', async () => {
    const { generation } = await gateway.must('GET', '/endpoints/swapped');
    return generation === 4;
  });
  const answer = fetch(`${gateway.url}/swapped`);
  const stoodStillMs = 200;
  await sleep(stoodStillMs);
  process.kill(pid, 'SIGCONT');
  assert.equal(await (await answer).text(), answerOf(2));
  const swapMs = Number((await deployed)['swap_ms']);
  assert.ok(swapMs < stoodStillMs, `the flip took ${swapMs} ms, and so waited for the process`);
});
