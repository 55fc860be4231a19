/** Scenarios of one kind: ask one path as often as it is answered, then at a constant rate, then perhaps alone. */
import { isDeepStrictEqual } from 'node:util';
import type { Contestant, Server, Site } from '../contestants/contestant.ts';
import { PLAIN } from '../contestants/contestant.ts';
import { cpuUs, mainThreadTime, memoryMb } from '../harness/processes.ts';
import { constantRate, failures } from '../load/constant-rate.ts';
import type { LoadRequest } from '../load/request.ts';
import { wrk } from '../load/wrk.ts';
import type { Amounts, Metric, Readings, Scenario } from './scenario.ts';

const THROUGHPUT: Metric = { id: 'requests_per_s', label: 'requests/s', better: 'higher', check: 'ratio' };
const ALONE: Metric = {
  id: 'alone_p50_us',
  label: 'p50 µs, 1 connection',
  difference: true,
  better: 'lower',
  check: 'ratio',
};
const REST: readonly Metric[] = [
  { id: 'p50_us', label: 'p50 µs', better: 'lower', check: 'no' },
  { id: 'p99_us', label: 'p99 µs', better: 'lower', check: 'no' },
  { id: 'cpu_us', label: 'CPU µs/request', digits: 1, better: 'lower', check: 'ratio' },
  { id: 'main_cpu_us', label: 'main thread µs/request', digits: 1, better: 'lower', check: 'ratio' },
  { id: 'memory_mb', label: 'memory MB', better: 'lower', check: 'ratio' },
  { id: 'errors', label: 'errors', better: 'lower', check: 'zero' },
];

export const LOAD_METRICS: readonly Metric[] = [THROUGHPUT, ...REST];

export interface LoadScenario {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly request: LoadRequest;
  readonly connections: number;
  /** Requests a second for the latencies: the same for all, well below what the slowest can do. */
  readonly rate: number;
  /** What is answered: a contestant that answers something else is not measured. JSON may be written differently. */
  readonly answer: string;
  readonly contestants: readonly string[];
  readonly site?: Site;
  /** Latency with a single connection is measured, too. */
  readonly alone?: boolean;
}

interface Throughput {
  readonly readings: Readings;
  readonly errors: number;
}

async function measureThroughput(
  server: Server,
  request: LoadRequest,
  connections: number,
  seconds: number,
): Promise<Throughput> {
  const mainThreads = await server.mainThreads();
  const [cpuBefore, mainBefore] = [cpuUs(server.pids()), mainThreadTime(mainThreads)];
  const result = await wrk(server.url, request, connections, seconds);
  const [cpu, main] = [cpuUs(server.pids()), mainThreadTime(mainThreads)];
  const readings = {
    requests_per_s: result.requestsPerSecond,
    cpu_us: (cpu - cpuBefore) / result.requests,
    ...(mainThreads.length > 0 ? { main_cpu_us: (main.ranUs - mainBefore.ranUs) / result.requests } : {}),
    memory_mb: memoryMb(server.pids()),
  };
  return { readings, errors: result.errors };
}

const parsed = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return text;
  }
};

/** A wrong answer is often a fast one. */
async function checkAnswer(server: Server, { request, answer }: LoadScenario): Promise<void> {
  const body = request.body ?? null;
  const headers = { 'content-type': 'application/json' };
  const init = body === null ? {} : { method: 'POST', body, headers };
  const response = await fetch(server.url + request.path.replace('{n}', '0'), init);
  const text = await response.text();
  if (response.status !== 200 || !isDeepStrictEqual(parsed(text), parsed(answer))) {
    throw new Error(`it answers ${request.path} wrongly: ${response.status} ${text.slice(0, 100)}`);
  }
}

/** Starts a contestant, measures it, ends it. */
export async function measureLoad(contestant: Contestant, scenario: LoadScenario, amounts: Amounts): Promise<Readings> {
  const server = await contestant.start(scenario.site ?? PLAIN);
  try {
    return await measureServer(server, scenario, amounts);
  } finally {
    await server.stop();
  }
}

async function measureServer(server: Server, scenario: LoadScenario, amounts: Amounts): Promise<Readings> {
  const { request, rate } = scenario;
  const { seconds, warmUpSeconds } = amounts;
  const connections = amounts.connections ?? scenario.connections;
  await checkAnswer(server, scenario);
  await wrk(server.url, request, connections, Math.max(1, warmUpSeconds));
  const throughput = await measureThroughput(server, request, connections, seconds);
  const latency = await constantRate(server.url, request, { connections, rate, seconds, warmUpSeconds: 0.5 });
  const alone = scenario.alone === true ? await wrk(server.url, request, 1, seconds) : null;
  return {
    ...throughput.readings,
    p50_us: latency.p50Us,
    p99_us: latency.p99Us,
    ...(alone === null ? {} : { alone_p50_us: alone.p50Us }),
    errors: throughput.errors + failures(latency) + (alone?.errors ?? 0),
  };
}

export function loadScenario(scenario: LoadScenario): Scenario {
  const { id, title, about, contestants, alone = false } = scenario;
  return {
    id,
    title,
    about: `${about} Throughput and processor time: wrk, ${scenario.connections} connections. Latency: ${scenario.rate} requests/s on as many connections.`,
    reference: 'hono',
    contestants,
    metrics: [THROUGHPUT, ...(alone ? [ALONE] : []), ...REST],
    measure: (contestant, amounts) => measureLoad(contestant, scenario, amounts),
  };
}
