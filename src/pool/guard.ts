import koffi from 'koffi';
import { GUARD_PROTOTYPES, HEAP_BYTES_BYTES, readHeapBytes, type HeapBytes } from '../protocol/guard.ts';

/** The guard as the main thread uses it; workers have a binding of their own. */
export interface MainGuard {
  /** Ends this call on this thread of the guard, as a fault of kind `interrupted`; no other, should it be over. */
  interrupt(slot: number, call: bigint): void;
  /** Number of the call that runs on this thread of the guard; 0: none. */
  running(slot: number): bigint;
  /** Memory of the heaps of the images on this thread of the guard; the thread is not disturbed. */
  heapBytes(slot: number): HeapBytes;
  /** Images bound in this process. */
  images(): number;
  /** Makes this descriptor close as soon as the process begins to die; where the system refuses, it closes with all others. */
  holdLifeline(fd: number): void;
}

/**
 * Loads the guard and sets its signal handlers up; has to come before the first handler thread starts.
 * @throws Error when the library cannot be loaded or the signals cannot be set up.
 */
export function installGuard(guardPath: string): MainGuard {
  const library = koffi.load(guardPath);
  const install = library.func(GUARD_PROTOTYPES.install) as () => number;
  const interrupt = library.func(GUARD_PROTOTYPES.interrupt) as (slot: number, call: bigint) => number;
  const running = library.func(GUARD_PROTOTYPES.running) as (slot: number) => number | bigint;
  const heapBytes = library.func(GUARD_PROTOTYPES.heapBytes) as (slot: number, bytes: Buffer) => number;
  const bytes = Buffer.alloc(HEAP_BYTES_BYTES);
  const images = library.func(GUARD_PROTOTYPES.images) as () => number;
  const holdLifeline = library.func(GUARD_PROTOTYPES.holdLifeline) as (fd: number) => number;
  if (install() !== 0) throw new Error('The guard could not set its signal handlers up.');
  return {
    interrupt: (slot, call) => void interrupt(slot, call),
    running: slot => BigInt(running(slot)),
    heapBytes(slot) {
      if (heapBytes(slot, bytes) !== 0) bytes.fill(0);
      return readHeapBytes(bytes);
    },
    images,
    holdLifeline: fd => void holdLifeline(fd),
  };
}
