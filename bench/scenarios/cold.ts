/** The first request of an endpoint that sleeps: a thread from standby, the image copied and bound, then the handler. */
import type { Contestant } from '../contestants/contestant.ts';
import { startGateway, type GatewayServer } from '../contestants/gateway/contestant.ts';
import { eventually } from '../../test/support/eventually.ts';
import { BenchConnection } from '../load/connection.ts';
import { percentile } from '../report/statistics.ts';
import type { Amounts, Readings, Scenario } from './scenario.ts';

const ENDPOINTS = 10;
const SLEEP_AFTER_SECS = '0.3';
/** Between two first requests: the pools of standby fill up again. */
const PAUSE_MS = 250;
/** Of the time that a round's figures take elsewhere. */
const PATIENCE = 3;

interface Times {
  readonly cold: number[];
  readonly warm: number[];
}

async function ask(connection: BenchConnection): Promise<number> {
  const startedMs = performance.now();
  const { status } = await connection.ask();
  if (status !== 200) throw new Error(`an endpoint answered ${status}`);
  return performance.now() - startedMs;
}

const asleep = (server: GatewayServer): Promise<unknown> =>
  eventually('every endpoint sleeps', async () => {
    return Number((await server.gateway.must('GET', '/stats'))['libraries_mapped']) === 0;
  });

async function askAll(server: GatewayServer, connections: readonly BenchConnection[], times: Times): Promise<void> {
  await asleep(server);
  for (const connection of connections) {
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS));
    times.cold.push(await ask(connection));
    times.warm.push(await ask(connection));
  }
}

async function measure(_contestant: Contestant, { seconds }: Amounts): Promise<Readings> {
  const server = await startGateway({ many: ENDPOINTS }, { SLEEP_AFTER_SECS, SPARE_PROCESSES: '0' });
  const paths = Array.from({ length: ENDPOINTS }, (_, number) => `/many/00${number}`);
  const connections = paths.map(path => new BenchConnection(server.url + path));
  const times: Times = { cold: [], warm: [] };
  try {
    const end = performance.now() + PATIENCE * seconds * 1000;
    do await askAll(server, connections, times);
    while (performance.now() < end);
  } finally {
    for (const connection of connections) connection.close();
    await server.stop();
  }
  return {
    samples: times.cold.length,
    cold_p50_ms: percentile(times.cold, 0.5),
    cold_p99_ms: percentile(times.cold, 0.99),
    warm_p50_ms: percentile(times.warm, 0.5),
    cold_by_warm: percentile(times.cold, 0.5) / percentile(times.warm, 0.5),
  };
}

export const cold: Scenario = {
  id: 'cold',
  title: 'first request of a sleeping endpoint',
  about: `${ENDPOINTS} endpoints that sleep after ${SLEEP_AFTER_SECS} s are asked one after the other, twice each: the first request wakes, the second is warm.`,
  reference: null,
  contestants: ['gateway'],
  metrics: [
    { id: 'samples', label: 'samples', better: 'higher', check: 'no' },
    { id: 'cold_p50_ms', label: 'cold p50 ms', digits: 2, better: 'lower', check: 'no' },
    { id: 'cold_p99_ms', label: 'cold p99 ms', digits: 2, better: 'lower', check: 'no' },
    { id: 'warm_p50_ms', label: 'warm p50 ms', digits: 2, better: 'lower', check: 'no' },
    { id: 'cold_by_warm', label: 'cold by warm', digits: 1, better: 'lower', check: 'itself' },
  ],
  measure,
};
