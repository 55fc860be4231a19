/** Memory of handlers as an operator sees it: in the API and the metrics, up at a peak, down again, gone with sleep. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answering, memory } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type ApiData } from '../support/gateway.ts';
import { residentHeapBytes } from '../support/mappings.ts';

const MIB = 1 << 20;
const ARENA_MIB = 48;
const PEAK_MIB = 40;

let gateway: RunningGateway;

before(async () => {
  const settings = { HANDLER_MAX_MEMORY_MB: String(ARENA_MIB), SPARE_PROCESSES: '0' };
  gateway = await RunningGateway.start({ settings });
  await gateway.deploy('hungry', { ...memory(), threads: 1 });
  await gateway.deploy('modest', { code: answering('modest'), threads: 1 });
  assert.equal(await (await gateway.fetch('/modest')).text(), 'modest');
});
after(() => gateway[Symbol.asyncDispose]());

async function memoryOf(endpoint: string): Promise<number> {
  return Number((await gateway.must('GET', `/endpoints/${endpoint}`))['memory_bytes']);
}

async function metric(name: string, endpoint: string): Promise<number> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const line = text.split('\n').find(line => line.startsWith(`rust_edge_gateway_${name}{endpoint="${endpoint}"}`));
  return Number(line?.split(' ')[1]);
}

/** The image may give memory back between two looks. */
function assertNear(actual: unknown, expected: number): void {
  assert.ok(Math.abs(Number(actual) - expected) < MIB / 4, `${String(actual)} is not near ${expected}`);
}

async function generationsOf(endpoint: string): Promise<ApiData[]> {
  return (await gateway.must('GET', `/endpoints/${endpoint}/generations`)) as unknown as ApiData[];
}

test('a peak shows everywhere, as the kernel sees it, and at its own endpoint only', async () => {
  assert.equal(await (await gateway.fetch(`/hungry?op=peak&n=${PEAK_MIB}`)).text(), 'peak');
  // A scrape takes fresh figures, which the endpoint then shows too.
  const bytes = await metric('handler_memory_bytes', 'hungry');
  assert.ok(bytes >= PEAK_MIB * MIB && bytes <= ARENA_MIB * MIB, `${bytes} bytes`);
  assertNear(await memoryOf('hungry'), bytes);
  assert.equal(await metric('handler_memory_limit_bytes', 'hungry'), ARENA_MIB * MIB);
  assertNear((await generationsOf('hungry'))[0]?.['memory_bytes'], bytes);
  const modest = await memoryOf('modest');
  assert.ok(modest > 0 && modest < MIB, `${modest} bytes`);
  assertNear((await gateway.must('GET', '/stats'))['handler_memory_bytes'], bytes + modest);
  const [pid = 0] = await gateway.servingPids();
  assertNear(residentHeapBytes(ARENA_MIB * MIB, pid), bytes + modest);
});

test('a peak is given back without requests, and its memory can be had again', async () => {
  await gateway.fetch(`/hungry?op=peak&n=${PEAK_MIB}`);
  await eventually('it is given back', async () => (await memoryOf('hungry')) < MIB);
  assert.ok((await metric('handler_memory_bytes', 'hungry')) < MIB);
  assert.equal(await (await gateway.fetch('/hungry?op=zeroed&n=40000')).text(), 'true');
});

test('one request after the other may take nearly everything, a little more each time', async () => {
  for (const n of [30, 40, 41, 43, 45]) {
    assert.equal(await (await gateway.fetch(`/hungry?op=peak&n=${n}`)).text(), 'peak');
  }
});

test('a generation that was replaced, and an endpoint that sleeps or is not deployed, occupy nothing', async () => {
  await gateway.deploy('replaced', { ...memory(), threads: 1 });
  await gateway.fetch('/replaced?op=peak&n=30');
  await gateway.must('POST', '/endpoints/replaced/deploy');
  const bytes = async (): Promise<unknown[]> =>
    (await generationsOf('replaced')).map(({ memory_bytes: memoryBytes }) => memoryBytes);
  await eventually('the old one is retired', async () => (await bytes())[1] === 0);
  assert.ok(Number((await bytes())[0]) > 0);
  assert.equal((await gateway.must('POST', '/endpoints/replaced/undeploy'))['memory_bytes'], 0);

  await using sleepy = await RunningGateway.start({ settings: { SLEEP_AFTER_SECS: '0.2' } });
  await sleepy.deploy('drowsy', { code: answering('awake') });
  await eventually('it sleeps', async () => (await sleepy.must('GET', '/endpoints/drowsy'))['memory_bytes'] === 0);
  assert.equal(await (await sleepy.fetch('/drowsy')).text(), 'awake');
});
