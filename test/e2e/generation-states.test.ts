/** Every state and outcome of a generation, on the real program. */
import assert from 'node:assert/strict';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { answering, sleeping } from '../support/code.ts';
import { followEvents, type EventStream } from '../support/event-stream.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type ApiData } from '../support/gateway.ts';

let gateway: RunningGateway;
let stream: EventStream;
before(async () => {
  gateway = await RunningGateway.start();
  stream = await followEvents(gateway);
});
after(async () => {
  await stream[Symbol.asyncDispose]();
  await gateway[Symbol.asyncDispose]();
});

/** The states a generation has been in, as the event stream told them. */
const told = (endpoint: string, generation: number): unknown[] =>
  stream.events
    .filter(
      event => event.type === 'generation' && event['endpoint'] === endpoint && event['generation'] === generation,
    )
    .map(event => event['state']);

async function generation(endpoint: string, number: number): Promise<ApiData> {
  const list = (await gateway.must('GET', `/endpoints/${endpoint}/generations`)) as unknown as ApiData[];
  return list.find(one => one['generation'] === number) ?? {};
}

const inState = (endpoint: string, number: number, state: string): Promise<ApiData> =>
  eventually(`generation ${number} of ${endpoint} is ${state}`, async () => {
    const found = await generation(endpoint, number);
    return found['state'] === state && found;
  });

test('loading, then serving: a deploy that succeeds', async () => {
  await gateway.deploy('loading', { code: answering('x') });
  await eventually('both were told', () => told('loading', 1).length === 2);
  assert.deepEqual(told('loading', 1), ['loading', 'serving']);
  const serving = await generation('loading', 1);
  assert.deepEqual([serving['state'], serving['outcome'], serving['retired_at']], ['serving', null, null]);
  assert.match(String(serving['loaded_at']), /Z$/);
});

test('loading, then failed: a deploy whose library cannot be loaded', async () => {
  await gateway.deploy('failing', { code: answering('whole') });
  await gateway.must('PUT', '/endpoints/failing/code', { code: answering('other') });
  const { build } = (await gateway.must('POST', '/endpoints/failing/compile')) as unknown as { build: ApiData };
  const artifact = join(gateway.folder, 'data', 'artifacts', `${String(build['digest'])}.so`);
  await chmod(artifact, 0o600);
  await writeFile(artifact, 'no library');
  assert.equal((await gateway.api('POST', '/endpoints/failing/deploy')).error.code, 'load_failed');
  assert.equal((await generation('failing', 2))['state'], 'failed');
  await eventually('both were told', () => told('failing', 2).length === 2);
  assert.deepEqual(told('failing', 2), ['loading', 'failed']);
  assert.equal((await generation('failing', 1))['state'], 'serving');
});

test('draining, then retired (drained): the last request ends in time, and every request was counted', async () => {
  await gateway.deploy('drained', { code: sleeping('x'), drain_timeout_ms: 20_000 });
  await gateway.fetch('/drained');
  const slow = gateway.fetch('/drained?ms=700');
  await eventually('it is in flight', async () => (await generation('drained', 1))['in_flight'] === 1);
  await gateway.must('POST', '/endpoints/drained/deploy');
  const draining = await generation('drained', 1);
  assert.deepEqual([draining['state'], draining['in_flight']], ['draining', 1]);
  assert.match(String(draining['draining_since']), /Z$/);
  assert.equal((await slow).status, 200);
  const retired = await inState('drained', 1, 'retired');
  assert.deepEqual([retired['outcome'], retired['requests'], retired['in_flight']], ['drained', 2, 0]);
});

test('draining, then retired (forced): the drain timeout ends it', async () => {
  await gateway.deploy('forced', { code: sleeping('x'), drain_timeout_ms: 50 });
  const slow = gateway.fetch('/forced?ms=25000');
  await eventually('it is in flight', async () => (await generation('forced', 1))['in_flight'] === 1);
  await gateway.must('POST', '/endpoints/forced/deploy');
  assert.equal((await slow).status, 503);
  const retired = await inState('forced', 1, 'retired');
  assert.deepEqual([retired['outcome'], retired['requests']], ['forced', 1]);
  await eventually('all were told', () => told('forced', 1).length === 4);
  assert.deepEqual(told('forced', 1), ['loading', 'serving', 'draining', 'retired']);
});
