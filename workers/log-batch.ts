import { monotonicNowMs } from '../src/protocol/clock.ts';
import type { RequestLogLine } from '../src/protocol/control.ts';
import type { HandlerLogLine } from '../src/protocol/guard.ts';

/** Lines sent in one message. */
const LINES_MAX = 64;
const SECOND_MS = 1_000;
/** A long line counts once for each so many characters. */
const LINE_LENGTH = 1_024;

export interface LogBatchOptions {
  /** Lines a second that are handed on; 0: any number. */
  readonly linesMax: number;
  /** `dropped`: lines left out since the last time. */
  send(lines: readonly RequestLogLine[], dropped: number): void;
  readonly nowMs?: () => number;
}

/**
 * Log lines of handlers on their way to the main thread: a message per line would cost more than most requests, and a
 * handler that writes without end would take the main thread's time from everybody. So a second has room for `linesMax`
 * lines; what comes after them is dropped, and a line at the end of that second says how many those were.
 */
export class LogBatch {
  readonly #options: LogBatchOptions;
  readonly #nowMs: () => number;
  #lines: RequestLogLine[] = [];
  #secondEndsMs = 0;
  #linesOfSecond = 0;
  #dropped = 0;

  constructor(options: LogBatchOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? monotonicNowMs;
  }

  add(lines: readonly HandlerLogLine[], requestId: string | null): void {
    this.#beginSecond();
    for (const line of lines) this.#addOne(line, requestId);
    if (this.#lines.length >= LINES_MAX) this.#send(0);
  }

  /** Hands on what has come. */
  flush(): void {
    this.#beginSecond();
    if (this.#lines.length > 0) this.#send(0);
  }

  /** As `flush`, and tells of dropped lines without waiting for their second to end. */
  close(): void {
    this.#tellDropped();
    this.flush();
  }

  #addOne({ level, message }: HandlerLogLine, requestId: string | null): void {
    const { linesMax } = this.#options;
    if (linesMax > 0 && this.#linesOfSecond >= linesMax) {
      this.#dropped += 1;
      return;
    }
    this.#linesOfSecond += 1 + Math.floor(message.length / LINE_LENGTH);
    this.#lines.push({ level, message, requestId, at: Date.now() });
  }

  #beginSecond(): void {
    const now = this.#nowMs();
    if (now < this.#secondEndsMs) return;
    this.#secondEndsMs = now + SECOND_MS;
    this.#linesOfSecond = 0;
    this.#tellDropped();
  }

  #tellDropped(): void {
    const dropped = this.#dropped;
    if (dropped === 0) return;
    this.#dropped = 0;
    const message =
      `${dropped} log lines were dropped: one thread may write ${this.#options.linesMax} a second ` +
      '(HANDLER_LOG_LINES_MAX).';
    this.#lines.push({ level: 'warn', message, requestId: null, at: Date.now() });
    this.#send(dropped);
  }

  #send(dropped: number): void {
    const lines = this.#lines;
    this.#lines = [];
    this.#options.send(lines, dropped);
  }
}
