/** What a pool looks like when it is asked whether it has the right number of workers. */
export interface ScalingSnapshot {
  readonly nowMs: number;
  /** Since when the request at the front of the ring has waited; null: none waits. */
  readonly waitingSinceMs: number | null;
  /** Workers that bind or serve. */
  readonly workers: number;
  readonly bindingWorkers: number;
  /** Workers that would take a request at once. */
  readonly parkedWorkers: number;
  readonly threadsMax: number;
  /** When all workers were last busy at the same time. */
  readonly allBusyAtMs: number;
}

export type ScalingDecision = 'grow' | 'shrink' | 'stay';

export const SCALING = {
  /** A request that has waited so long while every worker is busy asks for one worker more. */
  growAfterMs: 10,
  /** A pool in which for so long some worker had nothing to do lets go of one. */
  shrinkAfterMs: 30_000,
} as const;

/** One step towards the right number of workers; a bind under way is waited for, so that a burst adds one at a time. */
export function decideScaling(snapshot: ScalingSnapshot): ScalingDecision {
  const { nowMs, waitingSinceMs, workers, bindingWorkers, parkedWorkers, threadsMax, allBusyAtMs } = snapshot;
  if (bindingWorkers > 0) return 'stay';
  if (waitingSinceMs !== null && parkedWorkers === 0) {
    return workers < threadsMax && nowMs - waitingSinceMs >= SCALING.growAfterMs ? 'grow' : 'stay';
  }
  return workers > 1 && nowMs - allBusyAtMs >= SCALING.shrinkAfterMs ? 'shrink' : 'stay';
}
