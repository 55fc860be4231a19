/** What processes cost the machine, as /proc tells: of a contestant all processes count, also those it has started. */
import { readdirSync, readFileSync } from 'node:fs';

const TICKS_PER_SECOND = 100;

/** Empty for a process that has ended meanwhile. */
function read(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function childrenOf(pid: number): number[] {
  try {
    return readdirSync(`/proc/${pid}/task`).flatMap(thread =>
      read(`/proc/${pid}/task/${thread}/children`).split(' ').filter(Boolean).map(Number),
    );
  } catch {
    return [];
  }
}

/** A process and all that it has started, directly or not. */
export function processTree(pid: number): number[] {
  return [pid, ...childrenOf(pid).flatMap(processTree)];
}

/** Microseconds of processor time that the processes, all their threads and the ended children they waited for have used. */
export function cpuUs(pids: readonly number[]): number {
  const ticks = pids.map(pid => {
    // Counted from behind the name, which may hold anything.
    const fields = read(`/proc/${pid}/stat`).split(') ').at(-1)?.split(' ') ?? [];
    return [11, 12, 13, 14].reduce((sum, index) => sum + Number(fields[index] ?? 0), 0);
  });
  return ticks.reduce((sum, count) => sum + count, 0) * (1e6 / TICKS_PER_SECOND);
}

export interface ThreadTime {
  /** Microseconds it ran. */
  readonly ranUs: number;
  /** Microseconds it could have run and had no processor. */
  readonly waitedUs: number;
}

/** Of the main threads of these processes together. */
export function mainThreadTime(pids: readonly number[]): ThreadTime {
  const times = pids.map(pid => read(`/proc/${pid}/task/${pid}/schedstat`).split(' ').map(Number));
  const sum = (index: number): number => times.reduce((total, time) => total + (time[index] ?? 0), 0) / 1000;
  return { ranUs: sum(0), waitedUs: sum(1) };
}

/** Megabytes (10^6 bytes) in memory; a page that several processes share counts once in all. */
export function memoryMb(pids: readonly number[]): number {
  const kib = pids.map(pid => Number(/^Pss:\s+(\d+)/m.exec(read(`/proc/${pid}/smaps_rollup`))?.[1] ?? 0));
  return (kib.reduce((sum, one) => sum + one, 0) * 1024) / 1e6;
}
