import { readFile } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { setTimeout as pause } from 'node:timers/promises';
import type { History, Span } from './history.ts';

const LOOK_MS = 50;
/** A timer that is so late says that this process did not get a processor; so then did not the gateway's. */
const LATE_MS = 250;
/** More threads than this want a processor, in the mean of the last second: the gateway and its clients never are so many. */
const CROWD = 8 * availableParallelism();
const CROWD_WEIGHT = LOOK_MS / 1_000;
/** What a pause of the machine leads to may come so much later. */
const AFTERMATH_MS = 3_000;

/** Threads that run or want to, of all programs. */
async function runnableThreads(): Promise<number> {
  const [, , , threads = ''] = (await readFile('/proc/loadavg', 'latin1')).split(' ');
  return Number.parseInt(threads, 10);
}

/**
 * Notes down when the machine is so busy that time limits pass by themselves: it stands still, or others have nearly all
 * of its processors. (Whoever mostly sleeps, as this process does, gets one at once even then.)
 */
export async function watchMachine(history: History, stop: AbortSignal): Promise<void> {
  let crowd = 0;
  let crowded: Span | null = null;
  while (!stop.aborted) {
    const from = history.now();
    await pause(LOOK_MS);
    const now = history.now();
    if (now - from > LOOK_MS + LATE_MS) history.shortage('machine', from).until = now + AFTERMATH_MS;
    crowd += CROWD_WEIGHT * ((await runnableThreads()) - crowd);
    if (crowd <= CROWD) continue;
    if (crowded === null || crowded.until < now) crowded = history.shortage('processors');
    crowded.until = now + AFTERMATH_MS;
  }
}

/** Resolves when the machine has not stood still for a moment, or after `mostMs`; gives the time that took. */
export async function machineGetsOn(history: History, mostMs: number): Promise<number> {
  const from = history.now();
  const standsStill = (): boolean => history.isShort('machine', history.now(), history.now());
  while (standsStill() && history.now() - from < mostMs) await pause(LOOK_MS);
  return history.now() - from;
}
