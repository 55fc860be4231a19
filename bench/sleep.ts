/**
 * How many waiting requests one worker thread carries: every connection asks a handler that sleeps 50 ms, and asks again
 * when it is answered. The latency is that of a whole round: all of them started, suspended, resumed and answered.
 *
 *     npm run bench:sleep -- --connections 1000 --seconds 5
 */
import { sleeping } from '../test/support/code.ts';
import { RunningGateway } from '../test/support/gateway.ts';
import { readNumbers } from './support/arguments.ts';
import { printTable, writeResult } from './support/report.ts';
import { rounded } from './support/statistics.ts';
import { wrk } from './support/wrk.ts';

const SLEEP_MS = 50;

const { connections, seconds } = readNumbers({ connections: 1000, seconds: 5 });
await using gateway = await RunningGateway.start({ settings: { HANDLER_THREADS: '1' } });
await gateway.deploy('sleepy', { code: sleeping('awake') });
const url = `${gateway.url}/sleepy?ms=${SLEEP_MS}`;
await wrk(url, connections, 1);
const { requestsPerSecond, p50Us, p99Us, errors } = await wrk(url, connections, seconds);

const row = {
  connections,
  'requests/s': rounded(requestsPerSecond, 0),
  'p50 ms': rounded(p50Us / 1000, 0),
  'p99 ms': rounded(p99Us / 1000, 0),
  errors,
};
printTable(`a handler that sleeps ${SLEEP_MS} ms, one worker thread`, [row]);
writeResult('sleep', { seconds, rows: [row] });
