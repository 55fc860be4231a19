/**
 * THREADS_MAX as pure decisions: who has to give threads back when others need them. Effects are in `thread-keeper.ts`.
 */

/** A pool of a serving generation, as far as its threads matter. */
export interface ThreadUse {
  readonly threads: number;
  /** No request is in it. */
  readonly idle: boolean;
  readonly lastUsedMs: number;
  /** Prepared for a deploy that nobody has asked for. */
  readonly isGuess?: boolean;
}

export interface RoomPlan<U> {
  /** Pools to shrink to one thread. */
  readonly shrink: readonly U[];
  /** Idle ones to put to sleep. */
  readonly sleep: readonly U[];
}

/**
 * Who gives way so that `missing` threads become free. First what nobody has asked for; then pools with several threads shrink to one, the least
 * recently used first; then idle ones sleep, in the same order. A busy pool shrinks too, but nobody knows when its
 * workers will be done, so what it may give is not counted on: a wake never waits behind somebody's long request while
 * an idle endpoint holds a thread.
 */
export function planRoom<U extends ThreadUse>(uses: readonly U[], missing: number): RoomPlan<U> {
  const byAge = [...uses].sort((a, b) => a.lastUsedMs - b.lastUsedMs);
  const shrink: U[] = [];
  const sleep: U[] = [];
  let stillMissing = missing;
  const isFreeGuess = (use: U): boolean => use.isGuess === true && use.idle && use.threads > 0;
  for (const use of byAge.filter(isFreeGuess)) {
    if (stillMissing <= 0) break;
    sleep.push(use);
    stillMissing -= use.threads;
  }
  for (const use of byAge) {
    if (stillMissing <= 0) break;
    if (use.threads <= 1 || isFreeGuess(use)) continue;
    shrink.push(use);
    if (use.idle) stillMissing -= use.threads - 1;
  }
  for (const use of byAge) {
    if (stillMissing <= 0) break;
    if (!use.idle || use.threads === 0 || isFreeGuess(use)) continue;
    sleep.push(use);
    stillMissing -= 1;
  }
  return { shrink, sleep };
}

/** Images a deploy may bind: as many as it wants when there is room, and always one. */
export function imagesForDeploy(wanted: number, threadsFree: number): number {
  return Math.max(1, Math.min(wanted, threadsFree));
}

/** Those without requests for `sleepAfterMs` (0: never for that reason). */
export function overdueForSleep<U extends ThreadUse>(
  uses: readonly U[],
  nowMs: number,
  sleepAfterMs: number,
): readonly U[] {
  if (sleepAfterMs === 0) return [];
  return uses.filter(use => use.threads > 0 && use.idle && nowMs - use.lastUsedMs >= sleepAfterMs);
}
