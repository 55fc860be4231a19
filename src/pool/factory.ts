import { LIMITS } from '../config.ts';
import type { ImageSpec } from '../protocol/worker.ts';
import { Doorbell } from './ring/doorbell.ts';
import { installGuard } from './guard.ts';
import type { HandlerPool, PoolFactory, PoolSpec } from './handler-pool.ts';
import { letMainThreadGoFirst } from './niceness.ts';
import { RingMemory } from './ring/ring-memory.ts';
import { RingPool } from './ring-pool.ts';
import { Standby } from './standby.ts';

export interface PoolFactoryOptions {
  /** The compiled guard. */
  readonly guardPath: string;
  /** Private copies of artifacts are made here; has to exist, with mode 0700. */
  readonly imagesDir: string;
  /** Heap of one image. */
  readonly arenaBytes: number;
  /** Descriptor that others watch to learn of the death of this process; see `guard_hold_lifeline`. Default: none. */
  readonly lifelineFd?: number;
  /** Log lines of handlers that a worker thread hands on in a second; default: any number. */
  readonly logLinesMax?: number;
  /** A worker whose images keep crashing waits before it binds a fresh one; default: it never does. */
  readonly pausesRecycles?: boolean;
  /** Where Node keeps the modules of worker threads, compiled; default: nowhere. */
  readonly compileCacheDir?: string | null;
  /** Threads a blank pool in standby has ready; default 1. */
  readonly standbyThreads?: number;
  /** Blank pools kept; default LIMITS.standbyPools. */
  readonly standbyPools?: number;
}

/**
 * Makes the pools of one gateway process; once per process, on its main thread.
 * @throws Error when the guard cannot be loaded.
 */
export function createPoolFactory(options: PoolFactoryOptions): PoolFactory {
  const { guardPath, imagesDir, arenaBytes, standbyThreads = 1, standbyPools = LIMITS.standbyPools } = options;
  const { pausesRecycles = false } = options;
  const guard = installGuard(guardPath);
  letMainThreadGoFirst();
  if (options.lifelineFd !== undefined) guard.holdLifeline(options.lifelineFd);
  const doorbell = new Doorbell();
  const memory = new RingMemory();
  const standby = new Standby({
    settings: { guardPath, stackBytes: LIMITS.handlerStackBytes, logLinesMax: options.logLinesMax ?? 0 },
    poolsKept: standbyPools,
    threadsPerPool: standbyThreads,
    compileCacheDir: options.compileCacheDir ?? null,
  });
  return {
    create(spec: PoolSpec): HandlerPool {
      const { endpoint, generation, artifactPath, ahead } = spec;
      const { bindTimeoutMs } = LIMITS;
      const binding = { imagesDir, arenaBytes, bindTimeoutMs, pausesRecycles };
      const image: ImageSpec = { endpoint, generation, artifactPath, ahead, ...binding };
      return new RingPool({ spec, image, doorbell, standby, memory, guard });
    },
    figures: () => ({ standbyThreads: standby.threads, librariesMapped: guard.images() }),
    close: () => standby.close(),
  };
}
