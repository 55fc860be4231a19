import type { MainGuard } from './guard.ts';
import type { Requests } from './requests/requests.ts';
import { runningCalls } from './running-calls.ts';
import type { WorkerLink } from './worker-link.ts';
import type { Workers } from './workers.ts';

/** A call that runs in two looks this far apart is burning, and is interrupted. */
const LOOK_INTERVAL_MS = 20;
/** Workers that have not ended after so long never will: a call cannot be ended. */
const GIVE_UP_AFTER_MS = 10_000;

/** Waits until no request is left; false: some were still there when the time was up. */
export function emptyWithin(requests: Requests, timeoutMs: number): Promise<boolean> {
  if (requests.size === 0) return Promise.resolve(true);
  return new Promise(resolve => {
    const timer = setTimeout(resolve, timeoutMs, false);
    requests.onEmpty = () => {
      clearTimeout(timer);
      resolve(true);
    };
  });
}

/**
 * Stops all workers of a pool and waits until they have unbound their images. `forced`: calls that do not return by
 * themselves are interrupted. False: a worker would not end, and its thread has to be left to its fate.
 */
export async function stopWorkers(workers: Workers, guard: MainGuard, forced: boolean): Promise<boolean> {
  const stopped = workers.stop();
  const interrupting = forced ? interruptBurningCalls(workers, guard) : null;
  const givenUp = Promise.withResolvers<boolean>();
  const giveUp = setTimeout(() => givenUp.resolve(false), GIVE_UP_AFTER_MS);
  const hasStopped = await Promise.race([stopped, givenUp.promise]);
  clearTimeout(giveUp);
  if (interrupting !== null) clearInterval(interrupting);
  return hasStopped;
}

function interruptBurningCalls(workers: Workers, guard: MainGuard): NodeJS.Timeout {
  const lastCalls = new Map<WorkerLink, bigint>();
  return setInterval(() => {
    for (const { link, slot, call } of runningCalls(workers, guard)) {
      if (lastCalls.get(link) === call) guard.interrupt(slot, call);
      lastCalls.set(link, call);
    }
  }, LOOK_INTERVAL_MS);
}
