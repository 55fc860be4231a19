/** Endpoints that keep crashing: put to error, or rolled back soon after a deploy; nobody else notices. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answering, kit } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { followEvents } from '../support/event-stream.ts';
import { mappedImages, RunningGateway, type ApiData } from '../support/gateway.ts';
import { startLoad, type Load } from '../support/load.ts';
import { misdeedPath } from '../support/misdeeds.ts';

/** Crashes with every request. */
const CRASHING = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(_req: Request) -> Response {
    std::process::abort()
}
`;

interface Answer {
  readonly status: number;
  readonly body: string;
}

async function ask(gateway: RunningGateway, path: string): Promise<Answer> {
  const response = await gateway.fetch(path, { headers: { connection: 'close' } });
  return { status: response.status, body: await response.text() };
}

/** Asks until the answer is another one than a crash. */
async function untilNoCrash(gateway: RunningGateway, path: string): Promise<{ crashes: number; last: Answer }> {
  for (let crashes = 0; ; crashes += 1) {
    const last = await ask(gateway, path);
    if (!/"handler_crashed"|"handler_memory_exceeded"/.test(last.body)) return { crashes, last };
  }
}

const endpointOf = (gateway: RunningGateway, id: string): Promise<ApiData> => gateway.must('GET', `/endpoints/${id}`);

const errorOf = ({ last_error: error }: ApiData): { code: string; message: string } =>
  (error ?? { code: 'none', message: '' }) as { code: string; message: string };

let gateway: RunningGateway;
let neighbour: Load;
let pids: number[];

before(async () => {
  gateway = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '6' } });
  await gateway.deploy('neighbour', { code: answering('neighbour') });
  await gateway.deploy('kit', { ...kit(), threads: 1 });
  pids = await gateway.servingPids();
  neighbour = startLoad({
    url: `${gateway.url}/neighbour`,
    keepAlive: 1,
    reconnecting: 0,
    keep: ({ status, body }) => status !== 200 || body !== 'neighbour',
  });
});
after(async () => {
  const wrong = await neighbour.stop();
  const finished = neighbour.finished();
  const served = await gateway.servingPids();
  await gateway[Symbol.asyncDispose]();
  assert.deepEqual(wrong, [], 'no request of the neighbour failed');
  assert.ok(finished > 100, 'the neighbour was busy meanwhile');
  assert.deepEqual(served, pids, 'the processes are the same');
});

test('panics, time-outs and crashes with an answer between put nothing to error', async () => {
  await gateway.deploy('hasty', { ...kit(), threads: 1, timeout_ms: 50 });
  for (let round = 0; round < 100; round += 1) {
    const panic = ask(gateway, misdeedPath('kit', { op: 'panic' }));
    assert.equal((await ask(gateway, misdeedPath('hasty', { op: 'loop' }))).status, 504);
    assert.equal((await panic).status, 500);
  }
  for (let round = 0; round < 10; round += 1) {
    for (const op of ['abort', 'push', 'panic', 'null']) await ask(gateway, misdeedPath('kit', { op }));
    assert.equal((await ask(gateway, misdeedPath('kit', { op: 'status', n: 404 }))).status, 404);
  }
  for (const id of ['kit', 'hasty']) {
    const endpoint = await endpointOf(gateway, id);
    assert.deepEqual([endpoint['state'], endpoint['last_error']], ['loaded', null]);
  }
});

test('so many crashes in a row put the endpoint to error: 503, nothing mapped, said everywhere; a deploy mends it', async () => {
  await using stream = await followEvents(gateway);
  const { crashes, last } = await untilNoCrash(gateway, misdeedPath('kit', { op: 'null' }));
  assert.equal(crashes, 6);
  assert.deepEqual([last.status, /endpoint_not_loaded/.test(last.body)], [503, true]);
  const endpoint = await eventually('it is in error', async () => {
    const found = await endpointOf(gateway, 'kit');
    return found['state'] === 'error' && found;
  });
  const { code, message } = errorOf(endpoint);
  assert.equal(code, 'crash_loop');
  assert.match(message, /^Generation 1 crashed 6 times in a row/);
  await eventually('nothing is mapped', async () => (await mappedImages(pids[0] ?? 0, 'kit')).length === 0);
  assert.equal((await ask(gateway, misdeedPath('kit', { op: 'count' }))).status, 503, 'no request wakes it');
  assert.match(await gateway.metrics(), /crash_loops_total\{endpoint="kit"\} 1\n/);
  await gateway.log(({ event, endpoint: id }) => event === 'crash_loop' && id === 'kit');
  await eventually('the event', () => stream.events.some(({ type, crashes: n }) => type === 'crash_loop' && n === 6));

  await gateway.redeploy('kit', answering('mended'));
  assert.equal((await ask(gateway, '/kit')).body, 'mended');
  const mended = await endpointOf(gateway, 'kit');
  assert.deepEqual([mended['state'], mended['last_error']], ['loaded', null]);
});

test('a bad deploy is rolled back, and no request fails after it', async () => {
  await gateway.deploy('shaky', { code: answering('good'), threads: 1 });
  await using stream = await followEvents(gateway);
  assert.equal((await gateway.redeploy('shaky', CRASHING))['generation'], 2);
  await untilNoCrash(gateway, '/shaky');
  await eventually('the build before serves', async () => (await ask(gateway, '/shaky')).body === 'good');
  for (let asked = 0; asked < 100; asked += 1) assert.equal((await ask(gateway, '/shaky')).body, 'good');
  const endpoint = await endpointOf(gateway, 'shaky');
  assert.deepEqual([endpoint['state'], endpoint['generation']], ['loaded', 3]);
  const message =
    'Generation 2 crashed 6 times in a row within 60 s of its deploy; generation 3 serves the build of generation 1 again.';
  assert.deepEqual([errorOf(endpoint).code, errorOf(endpoint).message], ['rolled_back', message]);
  const told = await eventually('the event', () => stream.events.find(({ type }) => type === 'rollback'));
  assert.deepEqual([told['endpoint'], told['from'], told['to'], told['restored']], ['shaky', 2, 3, 1]);
  assert.equal((await gateway.log(({ event }) => event === 'rollback'))['level'], 'warn');
  assert.match(await gateway.metrics(), /swaps_total\{endpoint="shaky",outcome="rolled_back"\} 1\n/);
  const [newest] = (await gateway.must('GET', '/endpoints/shaky/generations')) as unknown as ApiData[];
  assert.equal(newest?.['cause'], 'automatic_rollback');
});

test('bake=0: a bad deploy is put to error instead, and a rollback mends it', async () => {
  await gateway.must('PUT', '/endpoints/shaky/code', { code: CRASHING });
  await gateway.must('POST', '/endpoints/shaky/deploy?bake=0', { compile: true });
  await untilNoCrash(gateway, '/shaky');
  await eventually('it is in error', async () => (await endpointOf(gateway, 'shaky'))['state'] === 'error');
  assert.equal((await ask(gateway, '/shaky')).status, 503);
  await gateway.must('POST', '/endpoints/shaky/rollback');
  assert.equal((await ask(gateway, '/shaky')).body, 'good');
});

test('requests that wait in a crash loop are refused at once when it is over', async () => {
  await gateway.deploy('queued', { code: CRASHING, threads: 1 });
  const answers = await Promise.all(Array.from({ length: 60 }, () => ask(gateway, '/queued')));
  const count = (status: number): number => answers.filter(answer => answer.status === status).length;
  assert.deepEqual([count(500), count(503)], [6, 54]);
});

test('an endpoint put to error stays so when a process dies, and is tried again after a restart of the program', async () => {
  const first = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '3' } });
  await first.deploy('kit', { ...kit(), threads: 1 });
  await untilNoCrash(first, misdeedPath('kit', { op: 'null' }));
  await eventually('it is in error', async () => (await endpointOf(first, 'kit'))['state'] === 'error');
  const [pid = 0] = await first.servingPids();
  process.kill(pid, 'SIGKILL');
  assert.equal((await ask(first, misdeedPath('kit', { op: 'count' }))).status, 503);
  assert.equal((await endpointOf(first, 'kit'))['state'], 'error');
  await first.stop('SIGTERM');

  await using second = await RunningGateway.start({ folder: first.folder });
  assert.equal((await ask(second, misdeedPath('kit', { op: 'count' }))).body, '1');
  const endpoint = await endpointOf(second, 'kit');
  assert.deepEqual([endpoint['state'], endpoint['last_error']], ['loaded', null]);
});

test('with two processes the first that trips speaks for both: for a rollback, and for the state error', async () => {
  await using double = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '4', PROCESSES: '2' } });
  await double.deploy('shaky', { code: answering('good'), threads: 1 });
  await double.redeploy('shaky', CRASHING);
  // Which process takes a connection is the kernel's choice; both have had enough after eight.
  const { crashes } = await untilNoCrash(double, '/shaky');
  assert.ok(crashes >= 4 && crashes <= 8, `${crashes} crashes`);
  await eventually('it is rolled back', async () => (await endpointOf(double, 'shaky'))['generation'] === 3);
  const askAll = async (): Promise<string[]> => {
    const answers = await Promise.all(Array.from({ length: 30 }, () => ask(double, '/shaky')));
    return [...new Set(answers.map(({ status }) => String(status)))];
  };
  assert.deepEqual(await askAll(), ['200'], 'in both processes');
  await double.must('POST', '/endpoints/shaky/deploy?bake=0');
  await untilNoCrash(double, '/shaky');
  await eventually('it is in error', async () => (await endpointOf(double, 'shaky'))['state'] === 'error');
  await eventually('in both processes', async () => (await askAll()).join() === '503');
});

test('a process that is killed right when its endpoint trips: the build before serves all the same', async () => {
  await using killed = await RunningGateway.start({ settings: { CRASH_LOOP_FAULTS: '3' } });
  await killed.deploy('shaky', { code: answering('good'), threads: 1 });
  await killed.redeploy('shaky', CRASHING);
  const [pid = 0] = await killed.servingPids();
  for (let crashes = 0; crashes < 3; crashes += 1) await ask(killed, '/shaky');
  process.kill(pid, 'SIGKILL');
  // Either the supervisor has heard of it, or the next process comes to the same end.
  await eventually('the build before serves', async () => (await ask(killed, '/shaky')).body === 'good');
  assert.equal(errorOf(await endpointOf(killed, 'shaky')).code, 'rolled_back');
});
