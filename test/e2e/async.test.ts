import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { test } from 'node:test';
import { sleeping } from '../support/code.ts';
import { mappedImages, RunningGateway } from '../support/gateway.ts';
import { get } from '../support/load.ts';

test('a thousand requests that each sleep 50 ms wait side by side on one worker thread', async t => {
  await using gateway = await RunningGateway.start({ settings: { HANDLER_THREADS: '1' } });
  await gateway.deploy('sleepy', { code: sleeping('awake') });
  const agent = new Agent({ keepAlive: true, maxSockets: 1000, maxFreeSockets: 1000 });
  const all = (ms: number): Promise<{ status: number | null; body: string }[]> =>
    Promise.all(Array.from({ length: 1000 }, () => get(`${gateway.url}/sleepy?ms=${ms}`, agent)));

  await all(1);
  const start = performance.now();
  const answers = await all(50);
  const tookMs = performance.now() - start;
  agent.destroy();

  assert.ok(answers.every(answer => answer.status === 200 && answer.body === 'awake'));
  assert.ok(tookMs < 50 * 1000, 'they did not wait one after the other');
  t.diagnostic(`1,000 sleeps of 50 ms, client in the same core's share: ${tookMs.toFixed(0)} ms`);
  const [pid = 0] = await gateway.servingPids();
  assert.equal((await mappedImages(pid, 'sleepy')).length, 1, 'one image served them all');
});
