import { writeSync } from 'node:fs';
import koffi from 'koffi';
import type { LogSink } from './log-outlet.ts';

const STDOUT = 1;
const POLLOUT = 4;
/** Size of `struct pollfd`: int descriptor, short asked for, short given. */
const POLLFD_BYTES = 8;

type Poll = (descriptors: Uint8Array, count: number, timeoutMs: number) => number;

/**
 * Standard output, never written to when that would wait. It is asked before each write, and not switched to non-blocking
 * mode: that mode belongs to the pipe, not to this process, and every child that inherits it switches it back.
 */
export class StandardOutput implements LogSink {
  readonly #poll = koffi
    .load('libc.so.6')
    .func('int poll(_Inout_ uint8_t* descriptors, unsigned long count, int timeoutMs)') as Poll;
  readonly #descriptor = Buffer.alloc(POLLFD_BYTES);

  /** Also when nobody can read any more: the write then says so. */
  isWritable(waitMs: number): boolean {
    this.#descriptor.writeInt32LE(STDOUT, 0);
    this.#descriptor.writeUInt16LE(POLLOUT, 4);
    return this.#poll(this.#descriptor, 1, Math.ceil(waitMs)) > 0;
  }

  write(bytes: Uint8Array): number {
    return writeSync(STDOUT, bytes);
  }
}
