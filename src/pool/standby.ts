import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import type { MessagePort } from 'node:worker_threads';
import { Piscina } from 'piscina';
import { POOL_THREADS_MAX } from '../config.ts';
import { compileCacheVariables } from '../protocol/compile-cache.ts';
import type { WorkerSettings, WorkerTask } from '../protocol/worker.ts';

/** Most time for the threads of a blank pool to start; a thread that fails may leave its warm task waiting for ever. */
const WARM_TIMEOUT_MS = 15_000;

/** Most time for threads to end; one in a call that nothing can end never does. */
const END_TIMEOUT_MS = 2_000;

type RunOptions = NonNullable<Parameters<Piscina['run']>[1]>;

const WORKER_FILE = fileURLToPath(new URL('../../workers/handler.ts', import.meta.url));

/** A worker's own objects are small and short-lived: its handlers' memory is not V8's. With 4 MB nothing is faster. */
const YOUNG_GENERATION_MB = 1;

interface ThreadOptions {
  readonly settings: WorkerSettings;
  /** Where Node keeps compiled modules; null: nowhere. */
  readonly compileCacheDir: string | null;
}

/** A Piscina pool whose threads have no image, or not yet: what a generation's pool is made of. */
export class BlankPool {
  readonly #piscina: Piscina;
  readonly #warm: Promise<unknown>;
  readonly #lostThread = Promise.withResolvers<void>();
  /** Of tasks that no thread has taken yet, as far as is known; oldest first. */
  readonly #onStuck = new Set<() => void>();
  #trimmed: Promise<void> = Promise.resolve();
  #broken = false;

  /** `threads` are started and warmed at once; one alone is started in any case. */
  constructor({ settings, compileCacheDir }: ThreadOptions, threads: number) {
    this.#piscina = new Piscina({
      filename: WORKER_FILE,
      workerData: settings,
      minThreads: 1,
      maxThreads: POOL_THREADS_MAX,
      idleTimeout: Infinity,
      concurrentTasksPerWorker: 1,
      // The default blocks a thread's event loop between tasks.
      atomics: 'disabled',
      // Not the main thread's: a loader given to it (tests run under tsx) would cost every thread its start time.
      execArgv: [],
      // Undefined would be given to the thread as a word.
      ...(compileCacheDir === null ? {} : { env: { ...process.env, ...compileCacheVariables(compileCacheDir) } }),
      resourceLimits: { maxYoungGenerationSizeMb: YOUNG_GENERATION_MB },
      recordTiming: false,
    });
    // A thread that ends without a task; one with a task rejects the task.
    this.#piscina.on('error', () => {
      this.#broken = true;
      this.#lookForStuck();
    });
    this.#piscina.on('workerDestroy', () => this.#lookForStuck());
    const task: WorkerTask = { kind: 'warm', begun: new SharedArrayBuffer(4), threads };
    const tasks = Array.from({ length: threads }, () => this.#warmOne(task));
    const over = [Promise.all(tasks), sleep(WARM_TIMEOUT_MS, null, { ref: false })];
    this.#warm = Promise.race(threads > 1 ? over : [...over, this.#lostThread.promise]);
  }

  get threads(): number {
    return this.#piscina.threads.length;
  }

  /** A thread ended or could not start: not to be used for another generation. */
  get isBroken(): boolean {
    return this.#broken;
  }

  /**
   * Calls `action` when no thread will come for a task that was given after this call: one could not start, and Piscina
   * leaves what was meant for it in its queue. @returns what ends that
   */
  onStuck(action: () => void): () => void {
    this.#onStuck.add(action);
    return () => void this.#onStuck.delete(action);
  }

  /** Runs one task on a thread that has none, starting one if need be. */
  async run(task: WorkerTask, transferList: MessagePort[] = []): Promise<unknown> {
    // A thread that is still being warmed would count as busy, and another one be started for the task.
    await this.#warm;
    // Piscina derives the type of a transfer list from an overload that newer types of Node have changed.
    const options = { transferList } as unknown as RunOptions;
    return this.#piscina.run(task, options) as Promise<unknown>;
  }

  /** Ends idle threads until `threads` are left (at least 1), one call after the other: two would count the same threads. */
  trim(threads: number): Promise<void> {
    this.#trimmed = this.#trimmed.then(() => this.#trim(Math.max(threads, 1)));
    return this.#trimmed;
  }

  /** Ends all threads, whatever they do. Not Piscina's `close`, which drops tasks. */
  async destroy(): Promise<void> {
    // koffi ends the whole process when its thread is terminated while it loads.
    await this.#warm;
    await this.#trimmed;
    await this.#piscina.destroy();
  }

  #lookForStuck(): void {
    // Only then does Piscina count the thread no longer among those that will take a task.
    setImmediate(() => {
      const stuck = this.#piscina.queueSize;
      if (stuck === 0) return;
      this.#broken = true;
      this.#lostThread.resolve();
      // Tasks are taken in their order, so the latest ones are left.
      for (const action of [...this.#onStuck].slice(-stuck)) action();
    });
  }

  async #trim(threads: number): Promise<void> {
    const surplus = Math.min(this.threads - threads, this.#piscina.idleThreads);
    await Promise.all(Array.from({ length: Math.max(0, surplus) }, () => this.#endThread()));
  }

  /** Piscina has no call for it: the task ends its thread, which Piscina takes for the task's failure. */
  async #endThread(): Promise<void> {
    const task: WorkerTask = { kind: 'end' };
    await this.#piscina.run(task).catch(() => null);
  }

  async #warmOne(task: WorkerTask): Promise<void> {
    try {
      await this.#piscina.run(task);
    } catch {
      this.#broken = true;
    }
  }
}

export interface StandbyOptions extends ThreadOptions {
  /** Blank pools kept. */
  readonly poolsKept: number;
  /** Threads a new blank pool starts with. */
  readonly threadsPerPool: number;
}

/** A blank pool may be taken while an old one is about to come back, so standby is filled up only after so long. */
const REFILL_AFTER_MS = 2_000;

/**
 * Pools kept beyond those asked for while swaps come in quick succession, when some drain, some bind and some are prepared:
 * a thread that has to start makes a swap wait for 30 ms, and koffi leaves 35 KiB behind of each that ends.
 */
const SURPLUS_MAX = 8;
/** What was not needed for so long is let go. */
const SURPLUS_MS = 10_000;

/** Blank, warm pools: a swap takes one and pays for loading a library, not for starting a thread. */
export class Standby {
  readonly #options: StandbyOptions;
  readonly #pools: BlankPool[] = [];
  readonly #ending = new Set<Promise<void>>();
  #refill: NodeJS.Timeout | null = null;
  #shed: NodeJS.Timeout | null = null;
  /** Fewest pools there were since the surplus was looked at last: so many were not needed. */
  #leastPools = 0;
  #closed = false;

  constructor(options: StandbyOptions) {
    this.#options = options;
    this.#refillAfter(0);
  }

  get threads(): number {
    return this.#pools.reduce((sum, pool) => sum + pool.threads, 0);
  }

  /** The blank pool that fits best: the smallest with at least so many threads, else the largest; a new one if none is left. */
  take(threads: number): BlankPool {
    for (const pool of this.#pools.filter(({ isBroken }) => isBroken)) {
      this.#pools.splice(this.#pools.indexOf(pool), 1);
      this.discard(pool);
    }
    const pool = this.#best(threads);
    if (pool !== null) this.#pools.splice(this.#pools.indexOf(pool), 1);
    this.#leastPools = Math.min(this.#leastPools, this.#pools.length);
    this.#refillAfter(REFILL_AFTER_MS);
    return pool ?? new BlankPool(this.#options, 0);
  }

  /** Of pools that fit alike the one that came back last: the others' threads stay as small as they are, or are not needed. */
  #best(threads: number): BlankPool | null {
    const fitting = this.#pools.filter(pool => pool.threads >= threads).map(pool => pool.threads);
    const size = fitting.length > 0 ? Math.min(...fitting) : Math.max(...this.#pools.map(pool => pool.threads));
    return this.#pools.findLast(pool => pool.threads === size) ?? null;
  }

  /** Takes back a pool whose serve tasks have ended. */
  release(pool: BlankPool): void {
    const { poolsKept } = this.#options;
    const most = poolsKept === 0 ? 0 : poolsKept + SURPLUS_MAX;
    if (this.#closed || pool.isBroken || this.#pools.length >= most) return this.discard(pool);
    this.#pools.push(pool);
    if (this.#pools.length > poolsKept) this.#shedLater();
  }

  /** Ends a pool that must not serve again. */
  discard(pool: BlankPool): void {
    const ended = pool.destroy().finally(() => this.#ending.delete(ended));
    this.#ending.add(ended);
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#refill !== null) clearTimeout(this.#refill);
    if (this.#shed !== null) clearTimeout(this.#shed);
    for (const pool of this.#pools.splice(0)) this.discard(pool);
    await Promise.race([Promise.all(this.#ending), sleep(END_TIMEOUT_MS, null, { ref: false })]);
  }

  #refillAfter(ms: number): void {
    if (this.#refill !== null || this.#closed) return;
    this.#refill = setTimeout(() => {
      this.#refill = null;
      const { poolsKept, threadsPerPool } = this.#options;
      while (this.#pools.length < poolsKept) this.#pools.push(new BlankPool(this.#options, threadsPerPool));
    }, ms);
    this.#refill.unref();
  }

  #shedLater(): void {
    if (this.#shed !== null) return;
    this.#leastPools = this.#pools.length;
    this.#shed = setTimeout(() => {
      this.#shed = null;
      const { poolsKept } = this.#options;
      this.#pools.sort((a, b) => b.threads - a.threads);
      for (const pool of this.#pools.splice(0, Math.max(0, this.#leastPools - poolsKept))) this.discard(pool);
      if (this.#pools.length > poolsKept) this.#shedLater();
    }, SURPLUS_MS);
    this.#shed.unref();
  }
}
