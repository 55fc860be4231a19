/** Swaps: what one takes while clients ask without a pause, and whether they notice. */
import type { Contestant, Server } from '../contestants/contestant.ts';
import { FIRST_VERSION } from '../contestants/contestant.ts';
import { startSwappedGateway } from '../contestants/gateway/swapped.ts';
import { Ledger, type LedgerCounts } from '../load/ledger.ts';
import { percentile } from '../report/statistics.ts';
import type { Amounts, Metric, Readings, Scenario } from './scenario.ts';

const CLIENTS = 32;
const SWAPS = 200;
/** Requests answered between two swaps, which are some 20 ms: a swap is timed that is not the continuation of the one before. */
const REQUESTS_BETWEEN = 600;
/** Rounds of these many seconds of measuring, unless the number of swaps is given. */
const PATIENCE = 4;

export const LEDGER_METRICS: readonly Metric[] = [
  { id: 'swaps', label: 'swaps', better: 'higher', check: 'no' },
  { id: 'p50_ms', label: 'swap p50 ms', digits: 1, better: 'lower', check: 'ratio' },
  { id: 'p99_ms', label: 'swap p99 ms', digits: 1, better: 'lower', check: 'no' },
  { id: 'told_p50_ms', label: '`swap_ms` p50', digits: 1, better: 'lower', check: 'no' },
  { id: 'told_p99_ms', label: '`swap_ms` p99', digits: 1, better: 'lower', check: 'no' },
  { id: 'load_p50_ms', label: 'of it loading, p50 ms', digits: 1, better: 'lower', check: 'no' },
  { id: 'requests', label: 'requests', better: 'higher', check: 'no' },
  { id: 'failed', label: 'failed', better: 'lower', check: 'zero' },
  { id: 'unanswered', label: 'unanswered', better: 'lower', check: 'zero' },
  { id: 'stale', label: 'stale', better: 'lower', check: 'zero' },
];

interface Sample {
  readonly ms: number;
  readonly told: Readonly<Record<string, number>>;
}

export interface SwapOptions {
  readonly clients: number;
  readonly swaps: number;
  readonly secondsMax: number;
  /** Requests that are answered before the next swap begins. */
  readonly requestsBetween: number;
  readonly afterSwap?: (swaps: number) => void;
}

async function swapOnce(server: Server, ledger: Ledger, version: number): Promise<Sample> {
  if (server.swap === undefined) throw new Error('it cannot be swapped');
  ledger.begin(version);
  const startedMs = performance.now();
  const told = await server.swap(version);
  const ms = performance.now() - startedMs;
  ledger.done(version);
  return { ms, told };
}

function toReadings(samples: readonly Sample[], counts: LedgerCounts): Readings {
  const told = (name: string): number[] => samples.flatMap(sample => sample.told[name] ?? []);
  const all = samples.map(({ ms }) => ms);
  const [toldMs, loadMs] = [told('swap_ms'), told('load_ms')];
  return {
    swaps: samples.length,
    p50_ms: percentile(all, 0.5),
    p99_ms: percentile(all, 0.99),
    ...(toldMs.length === 0 ? {} : { told_p50_ms: percentile(toldMs, 0.5), told_p99_ms: percentile(toldMs, 0.99) }),
    ...(loadMs.length === 0 ? {} : { load_p50_ms: percentile(loadMs, 0.5) }),
    requests: counts.finished,
    failed: counts.failed,
    unanswered: counts.unanswered,
    stale: counts.stale,
  };
}

export async function swapUnderLoad(server: Server, options: SwapOptions): Promise<Readings> {
  const { clients, swaps, secondsMax, requestsBetween, afterSwap } = options;
  const ledger = new Ledger(`${server.url}/version`, clients, FIRST_VERSION);
  const samples: Sample[] = [];
  const end = performance.now() + secondsMax * 1000;
  try {
    await ledger.reach(requestsBetween);
    while (samples.length < swaps && performance.now() < end) {
      const { finished } = ledger.counts();
      samples.push(await swapOnce(server, ledger, FIRST_VERSION + samples.length + 1));
      await ledger.reach(finished + requestsBetween);
      afterSwap?.(samples.length);
    }
  } finally {
    await ledger.stop();
  }
  return toReadings(samples, ledger.counts());
}

async function measure(contestant: Contestant, amounts: Amounts): Promise<Readings> {
  const clients = amounts.clients ?? CLIENTS;
  const server = contestant.id === 'gateway' ? await startSwappedGateway() : await contestant.start({ many: 0 });
  try {
    return await swapUnderLoad(server, {
      clients,
      swaps: amounts.swaps ?? SWAPS,
      secondsMax: amounts.swaps === null ? PATIENCE * amounts.seconds : 3_600,
      requestsBetween: REQUESTS_BETWEEN,
    });
  } finally {
    await server.stop();
  }
}

export const swap: Scenario = {
  id: 'swap',
  title: 'swap under load',
  about: `${CLIENTS} clients ask without a pause while the program is swapped again and again, with ${REQUESTS_BETWEEN} requests answered in between. A swap is timed from the call until the contestant says that it is done; stale is an answer by a version that was replaced before the request was sent. \`swap_ms\` is what the gateway tells itself.`,
  reference: 'axum-restart',
  contestants: ['axum-restart', 'gateway', 'pm2', 'watt'],
  metrics: LEDGER_METRICS,
  measure,
};
