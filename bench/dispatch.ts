/**
 * What isolation costs: requests per second and latency of a hello handler behind the gateway, against the same Hono
 * server answering in line. Both run side by side and are asked in turns, so that noise meets both; medians with raw values.
 *
 *     npm run bench:dispatch -- --seconds 5 --rounds 5
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { RunningGateway } from '../test/support/gateway.ts';
import { readNumbers } from './support/arguments.ts';
import { printTable, writeResult, type Row } from './support/report.ts';
import { median, rounded } from './support/statistics.ts';
import { wrk, type WrkResult } from './support/wrk.ts';

const HELLO = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(_req: Request) -> Response {
    Response::text(200, "Hello, world!")
}
`;
const CONNECTIONS = [1, 32];

interface Contestant {
  readonly name: string;
  readonly url: string;
}

async function measure(contestants: readonly Contestant[], connections: number, seconds: number, rounds: number) {
  const runs = new Map<string, WrkResult[]>(contestants.map(({ name }) => [name, []]));
  for (const { url } of contestants) await wrk(url, connections, 1);
  for (let round = 0; round < rounds; round += 1) {
    for (const { name, url } of round % 2 === 0 ? contestants : contestants.toReversed()) {
      runs.get(name)?.push(await wrk(url, connections, seconds));
    }
  }
  return runs;
}

function toRow(name: string, connections: number, runs: readonly WrkResult[], reference: readonly WrkResult[]): Row {
  const ratios = runs.map((run, index) => run.requestsPerSecond / (reference[index]?.requestsPerSecond ?? Number.NaN));
  return {
    contestant: name,
    connections,
    'requests/s': rounded(median(runs.map(run => run.requestsPerSecond)), 0),
    'of inline': rounded(median(ratios)),
    'p50 µs': median(runs.map(run => run.p50Us)),
    'p99 µs': median(runs.map(run => run.p99Us)),
    errors: runs.reduce((sum, run) => sum + run.errors, 0),
    'raw requests/s': runs.map(run => Math.round(run.requestsPerSecond)).join(' '),
  };
}

async function compare(inlineUrl: string): Promise<void> {
  const { seconds, rounds } = readNumbers({ seconds: 5, rounds: 5 });
  await using gateway = await RunningGateway.start();
  await gateway.deploy('hello', { code: HELLO });
  const contestants = [
    { name: 'Hono inline', url: `${inlineUrl}/hello` },
    { name: 'gateway', url: `${gateway.url}/hello` },
  ];
  const rows: Row[] = [];
  for (const connections of CONNECTIONS) {
    const runs = await measure(contestants, connections, seconds, rounds);
    const reference = runs.get('Hono inline') ?? [];
    for (const [name, results] of runs) rows.push(toRow(name, connections, results, reference));
  }
  printTable(`hello, ${rounds} rounds of ${seconds} s, medians`, rows);
  writeResult('dispatch', { seconds, rounds, rows });
}

const inline = spawn(process.execPath, [join(import.meta.dirname, 'inline-server.ts')], {
  stdio: ['ignore', 'pipe', 'inherit'],
});
try {
  const [inlineUrl] = (await once(createInterface({ input: inline.stdout }), 'line')) as [string];
  await compare(inlineUrl);
} finally {
  // Also when the bench fails: a server left over would keep the pipes of whoever ran it open.
  inline.kill();
}
