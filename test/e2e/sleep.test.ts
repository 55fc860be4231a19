import assert from 'node:assert/strict';
import { test } from 'node:test';
import { answering } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway, type ApiData } from '../support/gateway.ts';

test('an endpoint without requests sleeps: unmapped, still loaded, and the next request wakes it', async () => {
  await using gateway = await RunningGateway.start({ settings: { SLEEP_AFTER_SECS: '0.2' } });
  await gateway.deploy('drowsy', { code: answering('awake') });
  const [pid = 0] = await gateway.servingPids();
  await eventually('its images are unmapped', async () => (await mappedImages(pid, 'drowsy')).length === 0);
  assert.equal((await gateway.must('GET', '/endpoints/drowsy'))['state'], 'loaded');
  const [generation] = (await gateway.must('GET', '/endpoints/drowsy/generations')) as unknown as ApiData[];
  assert.equal(generation?.['state'], 'serving');
  assert.equal(await (await gateway.fetch('/drowsy')).text(), 'awake');
});

test('more endpoints than threads: all answer, the least recently used ones sleep', async () => {
  await using gateway = await RunningGateway.start({ settings: { THREADS_MAX: '2' } });
  const names = ['one', 'two', 'three', 'four'];
  for (const name of names) await gateway.deploy(name, { code: answering(name) });
  for (let round = 0; round < 3; round += 1) {
    for (const name of names) assert.equal(await (await gateway.fetch(`/${name}`)).text(), name);
  }
  await eventually(
    'no more images than threads',
    async () => Number((await gateway.must('GET', '/stats'))['libraries_mapped']) <= 2,
  );
  for (const name of names) assert.equal((await gateway.must('GET', `/endpoints/${name}`))['state'], 'loaded');
});
