import { getHeapStatistics } from 'node:v8';

/** A thread that has just started has 7 MB; with less than this there is little to win. */
const HEAP_BYTES_MIN = 16 * 1024 * 1024;

/**
 * Collects the thread's garbage if there may be much; for threads that have nothing else to do.
 *
 * V8 looks at a heap's growth to decide when to collect it, and takes that of a thread which has served one generation
 * after the other for normal: after a hundred, each thread held 45 MB. A collection takes about as long as binding a
 * library, but is needed only every few dozen generations.
 */
export function collectGarbage(): void {
  if (getHeapStatistics().total_heap_size >= HEAP_BYTES_MIN) globalThis.gc?.();
}
