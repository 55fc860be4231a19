/** A contestant that is one program: it prints its address as its first line and ends when it is told to. */
import { spawn, type ChildProcess, type StdioOptions } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Server } from '../contestants/contestant.ts';
import { endWithBench } from './alive.ts';
import { processTree } from './processes.ts';

const READY_LIMIT_MS = 60_000;
const STOP_LIMIT_MS = 10_000;

export interface Program {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder?: string;
  readonly environment?: Readonly<Record<string, string>>;
  /** Finds the address in a printed line; default: the line is the address. */
  readonly address?: (line: string) => string | undefined;
  /** False: no single thread carries all traffic. */
  readonly hasMainThread?: boolean;
  /** Further descriptors that the program inherits, from 3 on. */
  readonly descriptors?: readonly number[];
}

const isAddress = (line: string): string | undefined => (line.startsWith('http://') ? line.trim() : undefined);

export function spawnProgram(program: Program): ChildProcess {
  const stdio: StdioOptions = ['ignore', 'pipe', 'pipe', ...(program.descriptors ?? [])];
  const child = spawn(program.command, program.args, {
    ...(program.folder === undefined ? {} : { cwd: program.folder }),
    env: { ...process.env, ...program.environment },
    stdio,
  });
  if (child.pid !== undefined) {
    const forget = endWithBench(child.pid);
    child.once('exit', forget);
  }
  return child;
}

/** The address that a program prints; rejects with what it said when it ends before, or says nothing for a minute. */
export async function addressOf(child: ChildProcess, find = isAddress): Promise<string> {
  let said = '';
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  child.stderr?.on('data', chunk => {
    said = (said + String(chunk)).slice(-2_000);
  });
  if (child.stdout !== null) {
    createInterface({ input: child.stdout }).on('line', line => {
      said = `${said}${line}\n`.slice(-2_000);
      const address = find(line);
      if (address !== undefined) resolve(address);
    });
  }
  child.on('error', reject);
  child.on('exit', code => reject(new Error(`it ended with ${code} before it was ready: ${said.trim()}`)));
  const limit = setTimeout(() => reject(new Error(`it was not ready within a minute: ${said.trim()}`)), READY_LIMIT_MS);
  return promise.finally(() => clearTimeout(limit));
}

/** Asks a process to end, and makes it if it does not. */
export async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exited = once(child, 'exit');
  child.kill('SIGTERM');
  const limit = setTimeout(() => child.kill('SIGKILL'), STOP_LIMIT_MS);
  await exited;
  clearTimeout(limit);
}

export async function startProgram(program: Program): Promise<Server> {
  const child = spawnProgram(program);
  const pid = child.pid ?? 0;
  try {
    const url = await addressOf(child, program.address);
    return {
      url,
      pids: () => processTree(pid),
      mainThreads: async () => (program.hasMainThread === false ? [] : [pid]),
      stop: () => end(child),
    };
  } catch (error) {
    await end(child);
    throw error;
  }
}

/** A server in `server.ts` of the contestant's folder, on the Node that runs the bench. */
export const startNodeServer = (folder: string, environment: Readonly<Record<string, string>>): Promise<Server> =>
  startProgram({
    command: process.execPath,
    args: [join(folder, 'server.ts')],
    environment: { ...environment, NODE_ENV: 'production' },
  });
