/**
 * Endless loops and blocking reads run into their deadlines, while they are swapped. `LOOPS=1000`
 * (`npm run soak:containment`) makes it the long run.
 */
import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { tableLines } from '../../bench/report/table.ts';
import { kit } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway, type ApiData } from '../support/gateway.ts';
import { get } from '../support/load.ts';
import { misdeedPath } from '../support/misdeeds.ts';
import { timesRow } from '../support/times.ts';

/** Of each kind. */
const LOOPS = Number(process.env['LOOPS'] ?? 20);
const TIMEOUT_MS = 200;
/** Each should be answered so long after it was sent at the latest. */
const ANSWERED_MS = 300;
/** Every so many requests, the endpoint is swapped while one runs. */
const SWAP_EVERY = 10;
const OPERATIONS = ['loop', 'read'] as const;
const WRONG_SHOWN = 5;

interface Ran {
  readonly times: readonly number[];
  readonly wrong: readonly string[];
  readonly swaps: number;
}

async function isInFlight(gateway: RunningGateway, endpoint: string): Promise<boolean> {
  return (await gateway.metrics()).includes(`requests_in_flight{endpoint="${endpoint}"} 1\n`);
}

/** Swaps the endpoint as soon as its request runs. */
async function swap(gateway: RunningGateway, endpoint: string): Promise<void> {
  await eventually('the request runs', async () => isInFlight(gateway, endpoint));
  await gateway.must('POST', `/endpoints/${endpoint}/deploy`);
}

/** One request after the other; the endpoint bears the operation's name. */
async function runInto(gateway: RunningGateway, operation: string): Promise<Ran> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  const wrong: string[] = [];
  let swaps = 0;
  for (let asked = 0; asked < LOOPS; asked += 1) {
    const sentAt = performance.now();
    const answered = get(gateway.url + misdeedPath(operation, { op: operation }), agent).then(answer => {
      times.push(performance.now() - sentAt);
      return answer;
    });
    if (asked % SWAP_EVERY === 0) {
      await swap(gateway, operation);
      swaps += 1;
    }
    const { status, body, error } = await answered;
    if (status !== 504 || !body.includes('"code":"handler_timeout"')) wrong.push(`${status} ${body} ${error}`);
  }
  agent.destroy();
  return { times, wrong, swaps };
}

/** Every generation but the one that serves has ended, and by itself. */
async function assertDrained(gateway: RunningGateway, endpoint: string, swaps: number, pid: number): Promise<void> {
  const path = `/endpoints/${endpoint}/generations?limit=${swaps + 1}`;
  const generations = await eventually(`all drains of ${endpoint} are over`, async () => {
    const list = (await gateway.must('GET', path)) as unknown as ApiData[];
    return list.every(({ state }) => state === 'serving' || state === 'retired') && list;
  });
  const ends = generations.map(({ state, outcome }) => `${String(state)} ${String(outcome)}`);
  assert.deepEqual(ends, ['serving null', ...Array.from({ length: swaps }, () => 'retired drained')]);
  await eventually('only the serving generation is mapped', async () => {
    const images = await mappedImages(pid, endpoint);
    return images.length > 0 && images.every(image => image.includes(`.g${swaps + 1}.`));
  });
}

test(`${LOOPS} endless loops and ${LOOPS} blocking reads end at their deadline, and so do all drains`, async t => {
  await using gateway = await RunningGateway.start({ settings: { INTERRUPTS_MAX: '0', CRASH_LOOP_FAULTS: '0' } });
  for (const operation of OPERATIONS) {
    await gateway.deploy(operation, { ...kit(), threads: 1, timeout_ms: TIMEOUT_MS });
  }
  const [pid = 0] = await gateway.servingPids();
  const ran = await Promise.all(OPERATIONS.map(async operation => runInto(gateway, operation)));
  const rows = OPERATIONS.map((operation, index) => timesRow(operation, ran[index]?.times ?? [], ANSWERED_MS));
  for (const line of tableLines(rows)) t.diagnostic(line);
  for (const [index, operation] of OPERATIONS.entries()) {
    const { wrong = [], swaps = 0 } = ran[index] ?? {};
    assert.deepEqual(wrong.slice(0, WRONG_SHOWN), [], `${wrong.length} of ${operation} were answered wrongly`);
    await assertDrained(gateway, operation, swaps, pid);
    await eventually('it serves', async () => (await gateway.fetch(`/${operation}?op=count`)).status === 200);
  }
  assert.deepEqual(await gateway.servingPids(), [pid], 'the process is the same');
});
