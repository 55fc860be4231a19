/**
 * Throughput: one run of the load generator wrk (https://github.com/wg/wrk), on one thread. Its latencies are those of
 * clients that wait for an answer before they ask again, so they hide stalls: see constant-rate.ts.
 */
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { bodyFile, type LoadRequest } from './request.ts';

export interface WrkResult {
  readonly requests: number;
  readonly requestsPerSecond: number;
  readonly p50Us: number;
  readonly p99Us: number;
  /** Responses outside 2xx and 3xx, and socket errors. */
  readonly errors: number;
}

/** Headers as a browser or an API client sends them: a bare request would flatter everybody. */
const HEADERS = [
  'user-agent: bench/1.0 (x86_64; linux)',
  'accept: application/json, text/plain, */*',
  'accept-language: en-GB,en;q=0.9',
  'accept-encoding: identity',
  'authorization: Bearer abcdefghijklmnopqrstuvwxyz0123456789',
  'cookie: session=0123456789abcdef; theme=dark',
];

const UNIT_US: Readonly<Record<string, number>> = { us: 1, ms: 1_000, s: 1_000_000 };

function microseconds(text: string, share: string): number {
  const [, value = 'NaN', unit = ''] = new RegExp(`${share}%\\s+([\\d.]+)(us|ms|s)`).exec(text) ?? [];
  return Number(value) * (UNIT_US[unit] ?? Number.NaN);
}

function errorsIn(text: string): number {
  const refused = Number(/Non-2xx or 3xx responses: (\d+)/.exec(text)?.[1] ?? 0);
  const sockets = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(text);
  return refused + (sockets?.slice(1).reduce((sum, count) => sum + Number(count), 0) ?? 0);
}

/** A plain GET needs no script, which would cost wrk time. */
function scriptOf({ body, variety = 1 }: LoadRequest): { flags: string[]; args: string[] } {
  if (body === undefined && variety === 1) return { flags: [], args: [] };
  const file = body === undefined ? '' : bodyFile(body);
  return { flags: ['-s', join(import.meta.dirname, 'wrk.lua')], args: ['--', file, String(variety)] };
}

export async function wrk(url: string, request: LoadRequest, connections: number, seconds: number): Promise<WrkResult> {
  const headers = HEADERS.flatMap(header => ['-H', header]);
  const { flags, args } = scriptOf(request);
  const all = [
    '-t1',
    `-c${connections}`,
    `-d${seconds}s`,
    '--latency',
    ...headers,
    ...flags,
    url + request.path,
    ...args,
  ];
  const { stdout } = await promisify(execFile)('wrk', all).catch((error: NodeJS.ErrnoException) => {
    throw error.code === 'ENOENT' ? new Error('wrk is not installed; apt-get install wrk', { cause: error }) : error;
  });
  return {
    requests: Number(/(\d+) requests in/.exec(stdout)?.[1]),
    requestsPerSecond: Number(/Requests\/sec:\s+([\d.]+)/.exec(stdout)?.[1]),
    p50Us: microseconds(stdout, '50'),
    p99Us: microseconds(stdout, '99'),
    errors: errorsIn(stdout),
  };
}
