import { readFileSync } from 'node:fs';

const NANOSECONDS_PER_MS = 1e6;

/**
 * How long the main thread of a process has been ready to run without a processor, in milliseconds, all its life. 0: it
 * has ended, or the kernel does not count it. A process that is stopped or sleeps is not waiting, and one that loops is not
 * either, as long as it has a processor.
 */
export function processorWaitMs(pid: number): number {
  try {
    // See proc_pid_schedstat(5): time on a processor, time waiting for one, times it got one.
    const [, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'latin1').split(' ');
    return Number(waited ?? 0) / NANOSECONDS_PER_MS;
  } catch {
    return 0;
  }
}

/**
 * Time for which a process is excused: what it has waited for a processor since it was last asked for.
 * @param waitMs its waiting time so far
 * @param mostMs most that is excused in all
 */
export function excuseFor(waitMs: () => number, mostMs: number): () => number {
  let seenMs = waitMs();
  let leftMs = mostMs;
  return () => {
    const nowMs = waitMs();
    const excusedMs = Math.min(leftMs, Math.max(0, nowMs - seenMs));
    seenMs = nowMs;
    leftMs -= excusedMs;
    return excusedMs;
  };
}
