import type { Clock, Timer } from './clock.ts';
import { imagesForDeploy, overdueForSleep, planRoom, type ThreadUse } from './thread-budget.ts';

/** What the keeper asks of a generation; the threads of all are counted. */
export interface ThreadHolder extends ThreadUse {
  /** It may be asked to shrink and to sleep: it serves, or was prepared for a deploy that may never come. */
  readonly givesWay: boolean;
  /** Nobody has asked for it: it gives way before all others. */
  readonly isGuess: boolean;
  shrink(): void;
  sleep(): void;
  /** A thread is free: bind the first image. */
  wakeNow(): void;
}

/** A busy pool that was asked to shrink does not say when it has; while a wake waits, somebody has to look. */
const LOOK_AGAIN_MS = 20;
/** Least and most time between two looks for endpoints that should sleep. */
const SLEEP_CHECK_MS = { min: 20, max: 10_000 };

/** Keeps one gateway process within THREADS_MAX: shrinks and puts to sleep, and lets wakes wait for a free thread. */
export class ThreadKeeper {
  readonly #threadsMax: number;
  readonly #sleepAfterMs: number;
  readonly #clock: Clock;
  readonly #holders = new Set<ThreadHolder>();
  /** Generations that wait for a thread, first come, first served. */
  readonly #waiting = new Set<ThreadHolder>();
  #lookAgain: Timer | null = null;
  #sleepCheck: Timer | null = null;
  #idleFromMs = 0;

  /** `sleepAfterMs` 0: nothing sleeps for being idle. */
  constructor(options: { readonly threadsMax: number; readonly sleepAfterMs: number; readonly clock: Clock }) {
    this.#threadsMax = options.threadsMax;
    this.#sleepAfterMs = options.sleepAfterMs;
    this.#clock = options.clock;
  }

  /** From now on requests come, so that one without any is idle; until then everything stays awake. */
  beginSleepChecks(): void {
    this.#idleFromMs = this.#clock.nowMs();
    this.#scheduleSleepCheck();
  }

  /** Counts this generation from now on. */
  add(holder: ThreadHolder): void {
    this.#holders.add(holder);
  }

  /** The generation has no thread any more. */
  remove(holder: ThreadHolder): void {
    this.#holders.delete(holder);
    this.#waiting.delete(holder);
    this.threadsFreed();
  }

  get threadsUsed(): number {
    let threads = 0;
    for (const holder of this.#holders) threads += holder.threads;
    return threads;
  }

  get threadsFree(): number {
    return Math.max(0, this.#threadsMax - this.threadsUsed);
  }

  /** There are threads for what nobody may need. */
  get hasSlack(): boolean {
    return this.threadsFree > this.#threadsMax >> 1;
  }

  /** May a busy pool take one more thread? Those that have none come first. */
  mayGrow(): boolean {
    if (this.#waiting.size > 0) return false;
    if (this.threadsUsed < this.#threadsMax) return true;
    // A guess goes for it; the pool asks again in a moment.
    for (const holder of this.#holders) if (holder.isGuess) holder.sleep();
    return false;
  }

  /** Images that a deploy may bind right now: at least one, though that may be one over the budget until others gave way. */
  grantDeploy(wanted: number): number {
    this.#makeRoom(1);
    return imagesForDeploy(wanted, this.threadsFree);
  }

  /** Wakes `holder` at once or as soon as a thread is free. */
  requestWake(holder: ThreadHolder): void {
    this.#waiting.add(holder);
    this.threadsFreed();
  }

  /** `holder` needs no thread after all: nobody waits for it any more. */
  withdrawWake(holder: ThreadHolder): void {
    this.#waiting.delete(holder);
  }

  /** Threads may have become free: serves the wakes that wait. */
  threadsFreed(): void {
    if (this.#waiting.size === 0) return;
    this.#makeRoom(this.#waiting.size);
    for (const holder of this.#waiting) {
      if (this.threadsFree === 0) break;
      this.#waiting.delete(holder);
      holder.wakeNow();
    }
    if (this.#waiting.size > 0) this.#scheduleLookAgain();
  }

  close(): void {
    this.#sleepCheck?.cancel();
    this.#lookAgain?.cancel();
    this.#waiting.clear();
  }

  #makeRoom(wanted: number): void {
    const missing = this.threadsUsed + wanted - this.#threadsMax;
    if (missing <= 0) return;
    const plan = planRoom(this.#candidates(), missing);
    for (const holder of plan.shrink) holder.shrink();
    for (const holder of plan.sleep) holder.sleep();
  }

  #candidates(): readonly ThreadHolder[] {
    return [...this.#holders].filter(holder => holder.givesWay && !this.#waiting.has(holder));
  }

  #scheduleLookAgain(): void {
    this.#lookAgain ??= this.#clock.after(LOOK_AGAIN_MS, () => {
      this.#lookAgain = null;
      this.threadsFreed();
    });
  }

  #scheduleSleepCheck(): void {
    if (this.#sleepAfterMs === 0) return;
    const delayMs = Math.min(SLEEP_CHECK_MS.max, Math.max(SLEEP_CHECK_MS.min, this.#sleepAfterMs / 10));
    this.#sleepCheck = this.#clock.after(delayMs, () => {
      this.#sleepOverdue();
      this.#scheduleSleepCheck();
    });
  }

  #sleepOverdue(): void {
    const nowMs = this.#clock.nowMs();
    if (nowMs - this.#idleFromMs < this.#sleepAfterMs) return;
    for (const holder of overdueForSleep(this.#candidates(), nowMs, this.#sleepAfterMs)) holder.sleep();
  }
}
