/** What a flooded endpoint costs a quiet one beside it. */
import type { Contestant, Server, Site } from '../contestants/contestant.ts';
import { mainThreadTime } from '../harness/processes.ts';
import { constantRate, failures, type ConstantRateResult } from '../load/constant-rate.ts';
import type { Amounts, Metric, Readings, Scenario } from './scenario.ts';

const QUIET = { path: '/hello' };
const QUIET_RATE = 200;
const FLOOD_CONNECTIONS = 64;
/** The flood begins so much earlier and ends so much later: pools have grown by then. */
const MARGIN_SECONDS = 1;

interface FloodOptions {
  readonly id: string;
  readonly title: string;
  readonly about: string;
  readonly path: string;
  /** Requests a second; 0: as many as are answered. */
  readonly rate: number;
  readonly site: Site;
  readonly contestants: readonly string[];
}

const METRICS: readonly Metric[] = [
  { id: 'alone_p50_us', label: 'p50 µs alone', better: 'lower', check: 'no' },
  { id: 'beside_p50_us', label: 'p50 µs beside', better: 'lower', check: 'no' },
  { id: 'alone_p99_us', label: 'p99 µs alone', better: 'lower', check: 'no' },
  { id: 'beside_p99_us', label: 'p99 µs beside', better: 'lower', check: 'no' },
  { id: 'p99_ratio', label: 'p99 beside by alone', digits: 2, better: 'lower', check: 'itself' },
  { id: 'main_busy', label: 'main thread busy', digits: 2, better: 'lower', check: 'no' },
  { id: 'main_waited', label: 'main thread waited', digits: 2, better: 'lower', check: 'no' },
  { id: 'served_per_s', label: 'flood served/s', better: 'higher', check: 'no' },
  { id: 'refused_per_s', label: 'flood refused/s', better: 'lower', check: 'no' },
  { id: 'errors', label: 'quiet errors', better: 'lower', check: 'zero' },
];

const askQuietly = (server: Server, seconds: number): Promise<ConstantRateResult> =>
  constantRate(server.url, QUIET, { connections: 1, rate: QUIET_RATE, seconds });

interface Beside {
  readonly quiet: ConstantRateResult;
  readonly flood: ConstantRateResult;
  /** Shares of the time. */
  readonly busy: number;
  readonly waited: number;
}

async function askBeside(server: Server, { path, rate }: FloodOptions, seconds: number): Promise<Beside> {
  const whole = { connections: FLOOD_CONNECTIONS, rate, seconds: seconds + 2 * MARGIN_SECONDS, patienceSeconds: 0 };
  const flooding = constantRate(server.url, { path }, whole);
  await new Promise(resolve => setTimeout(resolve, MARGIN_SECONDS * 1000));
  const mainThreads = await server.mainThreads();
  const before = mainThreadTime(mainThreads);
  const startedMs = performance.now();
  const quiet = await askQuietly(server, seconds);
  const elapsedUs = (performance.now() - startedMs) * 1000;
  const after = mainThreadTime(mainThreads);
  const share = (from: number, to: number): number => (to - from) / elapsedUs;
  return {
    quiet,
    flood: await flooding,
    busy: share(before.ranUs, after.ranUs),
    waited: share(before.waitedUs, after.waitedUs),
  };
}

async function measureServer(server: Server, options: FloodOptions, seconds: number): Promise<Readings> {
  await askQuietly(server, 1);
  const alone = await askQuietly(server, seconds);
  const { quiet, flood, busy, waited } = await askBeside(server, options, seconds);
  const perSecond = (status: string): number => (flood.statuses[status] ?? 0) / flood.seconds;
  return {
    alone_p50_us: alone.p50Us,
    beside_p50_us: quiet.p50Us,
    alone_p99_us: alone.p99Us,
    beside_p99_us: quiet.p99Us,
    p99_ratio: quiet.p99Us / alone.p99Us,
    main_busy: busy,
    main_waited: waited,
    served_per_s: perSecond('200'),
    refused_per_s: perSecond('503'),
    errors: failures(alone) + failures(quiet),
  };
}

function flooded(options: FloodOptions): Scenario {
  const { id, title, about, contestants, site } = options;
  return {
    id,
    title,
    about: `${about} The quiet endpoint is asked ${QUIET_RATE} times a second on one connection; the flood has ${FLOOD_CONNECTIONS} connections.`,
    reference: null,
    contestants,
    metrics: METRICS,
    async measure(contestant: Contestant, { seconds }: Amounts): Promise<Readings> {
      const server = await contestant.start(site);
      try {
        return await measureServer(server, options, seconds);
      } finally {
        await server.stop();
      }
    },
  };
}

export const FLOODED_SCENARIOS: readonly Scenario[] = [
  flooded({
    id: 'flooded',
    title: 'a quiet endpoint beside a flooded one that burns',
    about:
      'Each request of the flood needs a millisecond of processor, so that handler threads saturate and the main thread does not.',
    path: '/burn',
    rate: 3_000,
    site: { many: 0 },
    contestants: ['hono', 'gateway', 'piscina'],
  }),
  flooded({
    id: 'flooded-refused',
    title: 'the same with a short queue',
    about: 'With a queue of 8 most of the flood is refused, which is the main thread’s work.',
    path: '/burn',
    rate: 3_000,
    site: { many: 0, settings: { QUEUE_MAX: '8' } },
    contestants: ['gateway'],
  }),
  flooded({
    id: 'flooded-main',
    title: 'a quiet endpoint while the main thread is saturated',
    about: 'The flood asks a cheap endpoint as often as it is answered.',
    path: '/users/4711/orders/1',
    rate: 0,
    site: { many: 0 },
    contestants: ['hono', 'gateway', 'piscina'],
  }),
];
