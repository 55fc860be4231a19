/**
 * What a flooded endpoint costs the others: latency of a quiet endpoint, alone and while another one is flooded with
 * requests that burn a millisecond of processor each. In turns, medians over the rounds with raw values.
 *
 * The quiet client sends at a constant rate, and a request's time begins when it should have been sent: one slow answer
 * makes the next ones late, and that counts. The flood is limited so that the gateway's main thread does not saturate;
 * how busy it was, and how long it was ready to run and waited for a processor, is measured and printed.
 *
 *     npm run bench:fairness -- --seconds 5 --rounds 5 --flood 3000
 *
 * What it does not say: how a machine behaves whose main thread is saturated, for then every request waits for it.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { RunningGateway } from '../test/support/gateway.ts';
import { readNumbers } from './harness/numbers.ts';
import { BenchConnection } from './load/connection.ts';
import { printTable, writeResult, type Row } from './report/table.ts';
import { median, percentile, rounded } from './report/statistics.ts';

const HELLO = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(_req: Request) -> Response {
    Response::text(200, "Hello, world!")
}
`;
/** About a millisecond of work, the same amount however often the thread is interrupted. */
const BURN = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub fn handle() -> Response {
    let mut value = std::hint::black_box(1_u64);
    for _ in 0..1_000_000 {
        value = std::hint::black_box(value.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1));
    }
    Response::text(200, value.to_string())
}
`;
const QUIET_PER_SECOND = 200;
const FLOOD_CONNECTIONS = 64;
/** With a short queue most of the flood is refused, which is the main thread's work; with the default, nearly none. */
const QUEUES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  default: {},
  short: { QUEUE_MAX: '8' },
};

const { seconds, rounds, flood } = readNumbers({ seconds: 5, rounds: 5, flood: 3000 });

interface Measured {
  readonly p50Us: number;
  readonly p99Us: number;
  /** Shares of the time. */
  readonly mainBusy: number;
  readonly mainWaited: number;
}

interface Flooded extends Measured {
  readonly served: number;
  readonly refused: number;
}

const sleeper = new Int32Array(new SharedArrayBuffer(4));

/** Latencies in microseconds, each from the moment the request should have been sent. */
async function askQuietly(connection: BenchConnection): Promise<number[]> {
  const latencies: number[] = [];
  const startedMs = performance.now();
  for (let request = 0; request < seconds * QUIET_PER_SECOND; request++) {
    const dueMs = startedMs + (request * 1000) / QUIET_PER_SECOND;
    // A timer of Node's is up to a millisecond late, several times what is measured.
    Atomics.wait(sleeper, 0, 0, Math.max(0, dueMs - performance.now()));
    const status = await connection.ask();
    if (status !== 200) throw new Error(`The quiet endpoint answered ${status}.`);
    latencies.push((performance.now() - dueMs) * 1000);
  }
  return latencies;
}

/** Nanoseconds the main thread of a process has run, and has waited for a processor though it could run. */
async function mainThread(pid: number): Promise<readonly [ranNs: number, waitedNs: number]> {
  const [ran, waited] = (await readFile(`/proc/${pid}/task/${pid}/schedstat`, 'utf8')).split(' ');
  return [Number(ran), Number(waited)];
}

async function measure(pid: number, url: string): Promise<Measured> {
  const connection = await BenchConnection.open(url);
  await connection.ask();
  const startedMs = performance.now();
  const [ranBefore, waitedBefore] = await mainThread(pid);
  const latencies = await askQuietly(connection);
  const [ran, waited] = await mainThread(pid);
  const elapsedNs = (performance.now() - startedMs) * 1e6;
  connection.close();
  return {
    p50Us: percentile(latencies, 0.5),
    p99Us: percentile(latencies, 0.99),
    mainBusy: (ran - ranBefore) / elapsedNs,
    mainWaited: (waited - waitedBefore) / elapsedNs,
  };
}

async function measureFlooded(pid: number, quietUrl: string, floodUrl: string): Promise<Flooded> {
  const script = join(import.meta.dirname, 'flood-client.ts');
  const args = [script, floodUrl, String(FLOOD_CONNECTIONS), String(flood)];
  const client = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
  const printed = text(client.stdout);
  // The pool of the flooded endpoint grows to its threads.
  await new Promise(resolve => setTimeout(resolve, 1_000));
  const measured = await measure(pid, quietUrl);
  client.stdin.end();
  await once(client, 'exit');
  const result = JSON.parse(await printed) as { seconds: number; counts: Record<string, number> };
  const served = (result.counts['200'] ?? 0) / result.seconds;
  return { ...measured, served, refused: (result.counts['503'] ?? 0) / result.seconds };
}

function toRow(queue: string, alone: readonly Measured[], flooded: readonly Flooded[]): Row {
  const of = <T>(runs: readonly T[], value: (run: T) => number, digits = 0): number =>
    rounded(median(runs.map(value)), digits);
  const raw = (runs: readonly Measured[]): string => runs.map(run => Math.round(run.p99Us)).join(' ');
  const ratios = flooded.map((run, round) => run.p99Us / (alone[round]?.p99Us ?? Number.NaN));
  return {
    queue,
    'p50 µs alone': of(alone, run => run.p50Us),
    'p50 µs beside': of(flooded, run => run.p50Us),
    'p99 µs alone': of(alone, run => run.p99Us),
    'p99 µs beside': of(flooded, run => run.p99Us),
    'p99 ratio': rounded(median(ratios)),
    'main thread busy': of(flooded, run => run.mainBusy, 2),
    'main thread waited': of(flooded, run => run.mainWaited, 2),
    'flood served/s': of(flooded, run => run.served),
    'flood refused/s': of(flooded, run => run.refused),
    'raw p99 alone': raw(alone),
    'raw p99 beside': raw(flooded),
  };
}

async function run(queue: string, settings: Readonly<Record<string, string>>): Promise<Row> {
  await using gateway = await RunningGateway.start({ settings });
  await gateway.deploy('quiet', { code: HELLO });
  await gateway.deploy('flooded', { code: BURN });
  const [pid = 0] = await gateway.servingPids();
  const quietUrl = `${gateway.url}/quiet`;
  await measure(pid, quietUrl);
  const alone: Measured[] = [];
  const flooded: Flooded[] = [];
  for (let round = 0; round < rounds; round++) {
    alone.push(await measure(pid, quietUrl));
    flooded.push(await measureFlooded(pid, quietUrl, `${gateway.url}/flooded`));
  }
  return toRow(queue, alone, flooded);
}

const rows: Row[] = [];
for (const [queue, settings] of Object.entries(QUEUES)) rows.push(await run(queue, settings));
printTable(
  `a quiet endpoint beside a flooded one (${flood} requests/s), ${rounds} rounds of ${seconds} s, medians`,
  rows,
);
writeResult('fairness', { seconds, rounds, flood, rows });
