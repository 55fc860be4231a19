import { readFileSync, readdirSync } from 'node:fs';
import process from 'node:process';
import { LIMITS } from '../config.ts';
import { keepInLine } from '../protocol/niceness.ts';

const TASKS = '/proc/self/task';
/** V8's threads for garbage collection and compilation. */
const V8_THREAD = 'node-V8Worker';
/** Those of libuv's pool, for whose work on files the main thread waits, too. */
const FILE_THREAD = 'libuv-worker';

/**
 * Lets the main thread go before all that works for it: V8's threads, and worker threads from their birth, for their
 * start, too, takes tens of milliseconds of a processor. What it is good for is at LIMITS.workNiceness.
 *
 * Node tells of a new thread at once, but not which it is for the system: one that was not there before.
 */
export function letMainThreadGoFirst(): void {
  let known = threads() ?? [];
  for (const thread of known) if (nameOf(thread) === V8_THREAD) giveWay(thread);
  process.on('worker', () => {
    const all = threads();
    // The next worker's turn is this one's, too.
    if (all === null) return;
    const newOnes = all.filter(thread => !known.includes(thread));
    for (const thread of newOnes) if (nameOf(thread) !== FILE_THREAD) giveWay(thread);
    known = all;
  });
}

/** null: no descriptor is left to look. */
function threads(): readonly string[] | null {
  try {
    return readdirSync(TASKS);
  } catch {
    return null;
  }
}

/** null: it has ended, or no descriptor is left to look. */
function nameOf(thread: string): string | null {
  try {
    return readFileSync(`${TASKS}/${thread}/comm`, 'utf8').trim();
  } catch {
    return null;
  }
}

const giveWay = (thread: string): void => keepInLine(Number(thread), LIMITS.workNiceness);
