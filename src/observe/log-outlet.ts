import { LIMITS } from '../config.ts';

/** Where the log goes in the end. */
export interface LogSink {
  /** Whether WRITE_BYTES_MAX can be written without waiting; waits for that itself for `waitMs`, and no longer. */
  isWritable(waitMs: number): boolean;
  /** Gives how many of the bytes were taken. @throws Error when it takes none */
  write(bytes: Uint8Array): number;
}

/** A pipe that takes anything without waiting takes so much: PIPE_BUF of Linux. */
const WRITE_BYTES_MAX = 4_096;
/** Time after which lines that wait are tried again when no other line comes. */
const RETRY_MS = 50;

/**
 * Log lines on their way out, each written at once while the sink takes it. The program must not stand still because nobody
 * reads its log, so lines that the sink does not take wait in memory, and those for which there is no room are dropped, and
 * counted in a line of their own.
 */
export class LogOutlet {
  readonly #sink: LogSink;
  readonly #tellDropped: (lines: number) => void;
  /** The first may be the rest of a line. */
  #waiting: Buffer[] = [];
  #waitingBytes = 0;
  #dropped = 0;
  #willRetry = false;

  /** `tellDropped` writes a line about it, to this outlet. */
  constructor(sink: LogSink, tellDropped: (lines: number) => void) {
    this.#sink = sink;
    this.#tellDropped = tellDropped;
  }

  write(line: string): void {
    const bytes = Buffer.from(line);
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > LIMITS.logBytesWaitingMax) this.#dropped += 1;
    else this.#add(bytes);
    this.#advance();
  }

  /** At the end of the program: writes what waits, and stands still for it as long as LIMITS.logFlushMs. */
  flush(): void {
    const endMs = performance.now() + LIMITS.logFlushMs;
    this.#drain(() => Math.max(0, endMs - performance.now()));
    if (this.#dropped === 0) return;
    this.#countDropped();
    this.#drain(() => Math.max(0, endMs - performance.now()));
  }

  #add(bytes: Buffer): void {
    this.#waiting.push(bytes);
    this.#waitingBytes += bytes.length;
  }

  #advance(): void {
    this.#drain(() => 0);
    if (this.#dropped > 0 && this.#waitingBytes < LIMITS.logBytesWaitingMax / 2) this.#countDropped();
    if (this.#waiting.length > 0 && !this.#willRetry) this.#retryLater();
  }

  #retryLater(): void {
    this.#willRetry = true;
    const retry = (): void => {
      this.#willRetry = false;
      this.#advance();
    };
    setTimeout(retry, RETRY_MS).unref();
  }

  #drain(waitMs: () => number): void {
    while (this.#waiting.length > 0 && this.#sink.isWritable(waitMs())) {
      const bytes = Buffer.concat(this.#waiting);
      const written = this.#writeSome(bytes);
      this.#waitingBytes -= written;
      this.#waiting = written === bytes.length ? [] : [bytes.subarray(written)];
      if (written === 0) return;
    }
  }

  /** Whatever is wrong with the sink may be over later: a full disk, another reader of a named pipe. */
  #writeSome(bytes: Buffer): number {
    try {
      return this.#sink.write(bytes.subarray(0, WRITE_BYTES_MAX));
    } catch {
      return 0;
    }
  }

  #countDropped(): void {
    const lines = this.#dropped;
    this.#dropped = 0;
    this.#tellDropped(lines);
  }
}
