/** Each thing a handler can do wrong, through HTTP: its own request gets the error, nobody else notices. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { after, before, test } from 'node:test';
import { PUBLIC_ERRORS } from '../../src/errors.ts';
import { answering, kit } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type LogLine } from '../support/gateway.ts';
import { startLoad, type Load } from '../support/load.ts';
import { DENIED, ENDLESS, FAULTS, misdeedPath, type Misdeed } from '../support/misdeeds.ts';

let gateway: RunningGateway;
let neighbour: Load;
let pids: number[];

before(async () => {
  gateway = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '0' } });
  await gateway.deploy('kit', { ...kit(), threads: 1 });
  await gateway.deploy('hasty', { ...kit(), threads: 1, timeout_ms: 200 });
  await gateway.deploy('neighbour', { code: answering('neighbour') });
  pids = await gateway.servingPids();
  neighbour = startLoad({
    url: `${gateway.url}/neighbour`,
    keepAlive: 2,
    reconnecting: 1,
    keep: ({ status, body }) => status !== 200 || body !== 'neighbour',
  });
});
after(async () => {
  const wrong = await neighbour.stop();
  const finished = neighbour.finished();
  const after = await gateway.servingPids();
  await gateway[Symbol.asyncDispose]();
  assert.deepEqual(wrong, [], 'no request of the neighbour failed');
  assert.ok(finished > 100, 'the neighbour was busy meanwhile');
  assert.deepEqual(after, pids, 'the processes are the same');
});

async function faultOf(requestId: string): Promise<Record<string, unknown>> {
  const line = await gateway.log(({ event, request_id: id }) => event === 'fault' && id === requestId);
  return line['fault'] as Record<string, unknown>;
}

/** One misdeed; then the same endpoint answers from a fresh image. */
async function commit(endpoint: string, misdeed: Misdeed): Promise<void> {
  const response = await gateway.fetch(misdeedPath(endpoint, misdeed));
  const body = (await response.json()) as Record<string, string>;
  const { status, sentence } = PUBLIC_ERRORS[misdeed.code];
  assert.equal(response.status, status, JSON.stringify(body));
  const { request_id: requestId = '', ...rest } = body;
  assert.deepEqual(rest, { error: sentence, code: misdeed.code });
  assert.equal((await faultOf(requestId))['kind'], misdeed.kind);
  assert.equal(await (await gateway.fetch(`/${endpoint}?op=count`)).text(), '1');
}

for (const misdeed of FAULTS) {
  test(`${misdeed.op}: ${misdeed.code}, and the next request is answered by a fresh image`, () =>
    commit('kit', misdeed));
}

for (const misdeed of ENDLESS) {
  test(`${misdeed.op}: interrupted at its deadline, and the next request is answered by a fresh image`, () =>
    commit('hasty', misdeed));
}

for (const op of DENIED) {
  test(`${op}: refused with an error the handler sees`, async () => {
    const response = await gateway.fetch(misdeedPath('kit', { op }));
    assert.equal(response.status, 403);
    // A descriptor that is not the handler's own is none that it knows.
    assert.match(await response.text(), op === 'close' ? /Bad file descriptor/ : /Operation not permitted/);
  });
}

test('descriptors: when the process runs short of them, the image that hoards them ends, and connections still come in', async () => {
  await using small = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '0', SPARE_PROCESSES: '0' } });
  await small.deploy('kit', { ...kit(), threads: 1 });
  await small.deploy('other', { ...kit(), threads: 1 });
  const [pid] = await small.servingPids();
  await promisify(execFile)('prlimit', ['--nofile=400:400', '--pid', String(pid)]);
  const ask = async (endpoint: string, n: number): Promise<string> =>
    (
      await fetch(`${small.url}${misdeedPath(endpoint, { op: 'files', n })}`, { headers: { connection: 'close' } })
    ).text();
  assert.match(await ask('kit', 2_000), /handler_crashed/);
  assert.equal(await ask('kit', 100), '100', 'its fresh image has none');
  for (let asked = 0; asked < 10; asked++) await ask('kit', 100);
  assert.equal(await ask('other', 20), '20', 'another endpoint opens what it needs');
  assert.deepEqual(await small.servingPids(), [pid]);
});

/** What requests that wait in the same image are answered with when another one ends like this. */
const BYSTANDERS = [
  { op: 'panic', waiting: 'sleep&n=500', answer: 'sleep' },
  { op: 'null', waiting: 'forever', answer: 'handler_crashed' },
  { op: 'push', waiting: 'forever', answer: 'handler_memory_exceeded' },
] as const;

for (const { op, waiting, answer } of BYSTANDERS) {
  test(`requests suspended beside ${op} are answered with ${answer}`, async () => {
    const suspended = Array.from({ length: 5 }, () => gateway.fetch(`/kit?op=${waiting}`));
    const inFlight = 'rust_edge_gateway_requests_in_flight{endpoint="kit"} 5\n';
    await eventually('all are suspended', async () => (await gateway.metrics()).includes(inFlight));
    await gateway.fetch(misdeedPath('kit', { op }));
    for (const response of await Promise.all(suspended)) assert.match(await response.text(), new RegExp(answer));
  });
}

test('a handler that writes without end: its lines are dropped past so many a second, and counted', async () => {
  // Endless printing has had its own lines dropped before.
  const isNotice = ({ endpoint, msg }: LogLine): boolean =>
    endpoint === 'kit' && /^\d+ log lines were dropped: one thread may write 1000 a second/.test(String(msg));
  await eventually('lines are dropped', async () => {
    await gateway.fetch(misdeedPath('kit', { op: 'print', n: 900 }));
    return gateway.lines.some(isNotice);
  });
  const dropped = /handler_log_lines_dropped_total\{endpoint="kit"\} (\d+)/.exec(await gateway.metrics());
  assert.ok(Number(dropped?.[1]) > 0);
});
