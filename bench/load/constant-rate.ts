/**
 * Latency: requests at a constant rate, each measured from the moment it should have been sent, by the program in
 * `constant-rate/`, which says how. autocannon's `overallRate` is not used: it measures in whole milliseconds from the
 * actual sending, and corrects with an expected interval of one millisecond whatever the rate.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { buildProgram } from '../harness/install.ts';
import { bodyFile, type LoadRequest } from './request.ts';

export interface ConstantRateOptions {
  readonly connections: number;
  /** Requests per second of all connections together; 0: each asks again as soon as it is answered. */
  readonly rate: number;
  readonly seconds: number;
  readonly warmUpSeconds?: number;
  /** What is due and not sent so long after the end counts as not answered; default 10. */
  readonly patienceSeconds?: number;
}

export interface ConstantRateResult {
  readonly requests: number;
  readonly seconds: number;
  readonly p50Us: number;
  readonly p90Us: number;
  readonly p99Us: number;
  readonly p999Us: number;
  readonly maxUs: number;
  /** How late the generator itself was, connections that waited for an answer included. */
  readonly sentLateP50Us: number;
  readonly sentLateP99Us: number;
  /** Answers by status; 0: none came. */
  readonly statuses: Readonly<Record<string, number>>;
}

export const prepareConstantRate = (): Promise<string> => buildProgram('constant-rate');

export async function constantRate(
  url: string,
  request: LoadRequest,
  options: ConstantRateOptions,
): Promise<ConstantRateResult> {
  const { connections, rate, seconds, warmUpSeconds = 0 } = options;
  const args = ['--url', url + request.path, '--connections', connections, '--rate', rate, '--seconds', seconds];
  if (options.patienceSeconds !== undefined) args.push('--patience', options.patienceSeconds);
  args.push('--warm-up', warmUpSeconds, '--variety', request.variety ?? 1);
  if (request.body !== undefined) args.push('--post', bodyFile(request.body));
  const child = spawn(await prepareConstantRate(), args.map(String), { stdio: ['ignore', 'pipe', 'pipe'] });
  const [printed, said] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  if (child.exitCode !== 0) throw new Error(`the load generator failed: ${said.trim()}`);
  return JSON.parse(printed) as ConstantRateResult;
}

/** Requests that got no answer, or one outside 2xx. */
export function failures({ statuses }: ConstantRateResult): number {
  const failed = Object.entries(statuses).filter(([status]) => !status.startsWith('2'));
  return failed.reduce((sum, [, count]) => sum + count, 0);
}
