import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventually } from '../support/eventually.ts';
import { RunningGateway } from '../support/gateway.ts';

const LONG_PATH = `/${'x'.repeat(10_000)}`;
/** Several times what the pipe and the supervisor hold, at a line each. */
const REQUESTS = 500;

test('deploys and takeovers go on while nobody reads the log, and lines that were dropped are counted', async () => {
  const settings = { ACCESS_LOG: 'on', LOG_LEVEL: 'info' };
  await using gateway = await RunningGateway.start({ settings });
  await eventually('a spare is there', async () => (await gateway.pidsIn('spare')).length === 1);
  gateway.holdLog();
  for (let request = 0; request < REQUESTS; request += 1) {
    assert.equal((await gateway.fetch(LONG_PATH)).status, 404);
  }
  await gateway.must('POST', '/endpoints', { id: 'a', name: 'a', path: '/a' });
  assert.equal((await gateway.fetch('/a')).status, 503);
  const [pid = 0] = await gateway.servingPids();
  process.kill(pid, 'SIGKILL');
  await eventually('another serves', async () => (await gateway.servingPids()).some(other => other !== pid));
  assert.equal((await gateway.fetch('/a')).status, 503);
  gateway.readLog();
  const { lines } = await gateway.log(({ event }) => event === 'log_lines_dropped');
  assert.ok(Number(lines) > 0);
});
