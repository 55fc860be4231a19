/** A child process in a group of its own, which ends whole: with the child, at a time limit, or with this process. */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { LIMITS } from '../config.ts';
import { keepInLine } from '../protocol/niceness.ts';

export interface GroupOptions {
  readonly command: string;
  readonly arguments: readonly string[];
  readonly folder: string;
  readonly environment: NodeJS.ProcessEnv;
  readonly timeoutMs: number;
  /** Aborting ends the group. */
  readonly signal: AbortSignal;
  readonly onOutputLine: (line: string) => void;
}

export interface GroupResult {
  readonly end: 'exited' | 'timed_out' | 'aborted';
  /** Exit status of the command; null when a signal ended it. */
  readonly status: number | null;
  /** The last ERROR_OUTPUT_MAX characters. */
  readonly errorOutput: string;
}

const ERROR_OUTPUT_MAX = 64 * 1024;

/**
 * Becomes the command, and leaves a watcher beside it that holds the far end of a pipe (descriptor 3) of this process.
 * When this process ends, however it does, the pipe closes and the watcher kills the group, itself included.
 */
const WATCHED = '{ read -r _ <&3; kill -KILL 0; } >/dev/null 2>&1 & exec "$@" 3<&-';

/** Runs a command to its end; nothing of its group lives on when this resolves. @throws when it cannot be started */
export async function runGroup(options: GroupOptions): Promise<GroupResult> {
  const child = spawn('/bin/sh', ['-c', WATCHED, 'sh', options.command, ...options.arguments], {
    cwd: options.folder,
    env: options.environment,
    // A session of its own: one signal reaches the group, and none of the terminal's does.
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
  });
  const closed = once(child, 'close');
  giveWay(child);
  let end: GroupResult['end'] = 'exited';
  const stop = (reason: GroupResult['end']): void => {
    end = reason;
    killGroup(child);
  };
  const abort = (): void => stop('aborted');
  const timer = setTimeout(() => stop('timed_out'), options.timeoutMs);
  options.signal.addEventListener('abort', abort);
  // The watcher, and whatever the command started and left behind, would keep the pipes open.
  child.once('exit', () => killGroup(child));
  try {
    const errorOutput = collectOutput(child, options.onOutputLine);
    const [status] = (await closed) as [number | null];
    return { end, status, errorOutput: errorOutput() };
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', abort);
  }
}

/** Passes standard output on line by line, and gives a reader of the end of the standard error. */
function collectOutput(child: ChildProcess, onLine: (line: string) => void): () => string {
  let errorOutput = '';
  if (child.stdout !== null) createInterface({ input: child.stdout }).on('line', onLine);
  child.stderr?.setEncoding('utf8').on('data', (chunk: string) => {
    errorOutput = (errorOutput + chunk).slice(-ERROR_OUTPUT_MAX);
  });
  return () => errorOutput;
}

/** Lets the gateway's main threads go first. */
function giveWay({ pid }: ChildProcess): void {
  if (pid !== undefined) keepInLine(pid, LIMITS.workNiceness);
}

function killGroup(child: ChildProcess): void {
  if (child.pid === undefined) return;
  try {
    process.kill(-child.pid, 'SIGKILL');
  } catch {
    // ESRCH: the group is empty.
  }
}
