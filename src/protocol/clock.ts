import { performance } from 'node:perf_hooks';
import process from 'node:process';

/** `performance.now()` counts from the start of its thread; hrtime is the system's monotonic clock, but slower to read. */
const originMs = Number(process.hrtime.bigint()) / 1e6 - performance.now();

/** `setTimeout` takes at most this; who waits for longer looks again then. */
export const TIMER_MAX_MS = 0x7fff_ffff;

/** Milliseconds of CLOCK_MONOTONIC: the same clock in every thread, and the one `Instant` reads in Rust. */
export function monotonicNowMs(): number {
  return originMs + performance.now();
}
