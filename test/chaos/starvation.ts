import { setTimeout as pause } from 'node:timers/promises';
import type { History } from './history.ts';

const LOOK_MS = 50;
/** A timer that is so late says that this process did not get a processor; so then did not the gateway's. */
const LATE_MS = 250;
/** What a pause of the machine leads to may come so much later. */
const AFTERMATH_MS = 3_000;

/** Notes down when the machine is so busy that time limits of a second pass by themselves. */
export async function watchMachine(history: History, stop: AbortSignal): Promise<void> {
  while (!stop.aborted) {
    const from = history.now();
    await pause(LOOK_MS);
    if (history.now() - from < LOOK_MS + LATE_MS) continue;
    history.shortage('machine', from).until = history.now() + AFTERMATH_MS;
  }
}

/** Breaking more while the machine hardly gets on shows nothing; at most so long, or the run would never end. */
const WAIT_MS_MAX = 10_000;

/** Resolves when the machine has been getting on for a moment. */
export async function machineGetsOn(history: History): Promise<void> {
  const end = history.now() + WAIT_MS_MAX;
  while (history.isShort('machine', history.now(), history.now()) && history.now() < end) await pause(LOOK_MS);
}
