/**
 * What a swap costs while clients ask without a pause, split into its parts:
 * load (images bound and probed beside the old ones), flip (store write and every gateway process changing over),
 * first request (from the deploy's answer to the first answer of the new generation), drain (old generation to unmapped).
 *
 *     npm run bench:swap -- --swaps 300 --clients 32
 *     npm run bench:swap -- --seconds 1
 */
import { Agent } from 'node:http';
import { answering } from '../test/support/code.ts';
import { eventually } from '../test/support/eventually.ts';
import { RunningGateway, type ApiData } from '../test/support/gateway.ts';
import { get, startLoad } from '../test/support/load.ts';
import { readNumbers } from './harness/numbers.ts';
import { printTable, writeResult, type Row } from './report/table.ts';
import { percentile, rounded } from './report/statistics.ts';

const PARTS = ['swap_ms', 'load', 'flip', 'first request', 'drain'] as const;
type Part = (typeof PARTS)[number];
type Sample = Readonly<Record<Part, number>>;

interface SwapAnswer {
  readonly generation: number;
  readonly swap_ms: number;
  readonly load_ms: number;
}

async function drainOf(gateway: RunningGateway, generation: number): Promise<number> {
  const retired = await eventually('the old generation is retired', async () => {
    const list = (await gateway.must('GET', '/endpoints/swapped/generations')) as unknown as ApiData[];
    return list.find(one => one['generation'] === generation && one['state'] === 'retired') ?? false;
  });
  return Date.parse(String(retired['retired_at'])) - Date.parse(String(retired['draining_since']));
}

async function swapOnce(gateway: RunningGateway, agent: Agent): Promise<Sample> {
  const answer = (await gateway.must('POST', '/endpoints/swapped/rollback')) as unknown as SwapAnswer;
  const answeredAt = performance.now();
  const first = await get(`${gateway.url}/swapped`, agent);
  const firstMs = performance.now() - answeredAt;
  if (first.status !== 200) throw new Error(`the first request after a swap got ${first.status} ${first.error}`);
  return {
    swap_ms: answer.swap_ms,
    load: answer.load_ms,
    flip: answer.swap_ms - answer.load_ms,
    'first request': firstMs,
    drain: await drainOf(gateway, answer.generation - 1),
  };
}

function toRow(part: Part, samples: readonly Sample[]): Row {
  const values = samples.map(sample => sample[part]);
  const at = (share: number): number => rounded(percentile(values, share));
  return { ms: part, p50: at(0.5), p99: at(0.99), max: at(1) };
}

const limits = readNumbers({ swaps: 300, clients: 32, seconds: 600 });
await using gateway = await RunningGateway.start();
await gateway.deploy('swapped', { code: answering('odd') });
await gateway.redeploy('swapped', answering('even'));
const agent = new Agent({ keepAlive: true });
const load = startLoad({
  url: `${gateway.url}/swapped`,
  keepAlive: limits.clients,
  reconnecting: 0,
  keep: entry => entry.status !== 200,
});

const samples: Sample[] = [];
const end = performance.now() + limits.seconds * 1000;
while (samples.length < limits.swaps && performance.now() < end) samples.push(await swapOnce(gateway, agent));
const failed = await load.stop();
agent.destroy();

const rows = PARTS.map(part => toRow(part, samples));
printTable(
  `${samples.length} swaps under ${limits.clients} clients; ${load.finished()} requests, ${failed.length} failed`,
  rows,
);
writeResult('swap', {
  ...limits,
  swaps: samples.length,
  requests: load.finished(),
  failed: failed.length,
  rows,
  samples,
});
if (failed.length > 0) throw new Error(`${failed.length} requests failed`);
