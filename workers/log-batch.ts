import type { RequestLogLine } from '../src/protocol/control.ts';
import type { HandlerLogLine } from '../src/protocol/guard.ts';

/** Lines sent in one message. */
const LINES_MAX = 64;

/** Log lines of handlers on their way to the main thread: a message per line would cost more than most requests. */
export class LogBatch {
  readonly #send: (lines: readonly RequestLogLine[]) => void;
  #lines: RequestLogLine[] = [];

  constructor(send: (lines: readonly RequestLogLine[]) => void) {
    this.#send = send;
  }

  add(lines: readonly HandlerLogLine[], requestId: string | null): void {
    const at = Date.now();
    for (const { level, message } of lines) this.#lines.push({ level, message, requestId, at });
    if (this.#lines.length >= LINES_MAX) this.flush();
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#send(lines);
  }
}
