/** What is in memory when nothing is asked. */
import { mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { eventually } from '../../test/support/eventually.ts';
import type { Contestant } from '../contestants/contestant.ts';
import { launch, settled, startGateway } from '../contestants/gateway/contestant.ts';
import { memoryMb, processTree } from '../harness/processes.ts';
import { wrk } from '../load/wrk.ts';
import type { Amounts, Readings, Scenario } from './scenario.ts';

const HELLO = { path: '/hello' };
/** Nothing is asked for so long before memory is read. */
const REST_MS = 5_000;
/** Both more than there are threads: what starting as many of these as there may be leaves behind is not the endpoints'. */
const MANY = 1_000;
const FEW = 100;
/** V8 keeps the memory of threads that ended for some seconds. */
const THREADS_GONE_MS = 20_000;

const rest = (ms = REST_MS): Promise<void> => new Promise(resolve => setTimeout(resolve, ms));

/** The supervisor and one gateway process, with the example `hello` alone, started anew after it was compiled. */
async function withHello(): Promise<Readings> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-memory-'));
  const first = await launch({ folder });
  await first.log(line => line.event === 'example_ready', 300_000);
  await first.stop();
  await using gateway = await launch({ folder, settings: { SPARE_PROCESSES: '0' } });
  await settled(gateway, 0);
  await wrk(gateway.url, HELLO, 8, 2);
  await rest();
  const serving = await gateway.servingPids();
  return {
    all_mb: memoryMb(processTree(gateway.pid)),
    supervisor_mb: memoryMb([gateway.pid]),
    process_mb: memoryMb(serving),
  };
}

async function asleepMb(many: number): Promise<number> {
  const server = await startGateway({ many }, { SPARE_PROCESSES: '0', SLEEP_AFTER_SECS: '1' });
  try {
    await eventually(
      'every endpoint sleeps',
      async () => Number((await server.gateway.must('GET', '/stats'))['libraries_mapped']) === 0,
      120_000,
    );
    await rest(THREADS_GONE_MS);
    return memoryMb(server.pids());
  } finally {
    await server.stop();
  }
}

async function onGateway(): Promise<Readings> {
  const readings = await withHello();
  const perEndpoint = (((await asleepMb(MANY)) - (await asleepMb(FEW))) * 1000) / (MANY - FEW);
  return { ...readings, asleep_kb: perEndpoint };
}

async function onOther(contestant: Contestant): Promise<Readings> {
  const server = await contestant.start({ many: 0 });
  try {
    await wrk(server.url, HELLO, 8, 2);
    await rest();
    return { all_mb: memoryMb(server.pids()) };
  } finally {
    await server.stop();
  }
}

export const memory: Scenario = {
  id: 'memory',
  title: 'memory at rest',
  about: `Proportional set size of all processes after a short load and ${REST_MS / 1000} s of rest. The gateway: supervisor and one gateway process with the example \`hello\` alone, no spare, its standby of two blank pools. A sleeping endpoint: the difference between ${MANY} and ${FEW} of them, in supervisor and gateway process together.`,
  reference: 'hono',
  contestants: ['hono', 'gateway', 'node-http', 'piscina', 'workerd', 'deno', 'bun', 'axum'],
  roundsMax: 3,
  metrics: [
    { id: 'all_mb', label: 'MB in all', digits: 1, better: 'lower', check: 'ratio' },
    { id: 'supervisor_mb', label: 'supervisor MB', digits: 1, better: 'lower', check: 'no' },
    { id: 'process_mb', label: 'gateway process MB', digits: 1, better: 'lower', check: 'no' },
    { id: 'asleep_kb', label: 'kB per sleeping endpoint', digits: 1, better: 'lower', check: 'no' },
  ],
  measure(contestant: Contestant, _amounts: Amounts): Promise<Readings> {
    return contestant.id === 'gateway' ? onGateway() : onOther(contestant);
  },
};
