import type { AccessLogLine } from '../protocol/control.ts';
import type { Clock } from '../serving/clock.ts';

/** Lines sent at once, and the longest a line waits for others: one message per line would cost more than the request. */
const BATCH_LINES = 256;
const BATCH_MS = 100;

/** Collects access log lines and hands them on in batches. */
export class AccessLog {
  readonly #clock: Clock;
  readonly #send: (lines: readonly AccessLogLine[]) => void;
  #lines: AccessLogLine[] = [];
  #scheduled = false;

  constructor(clock: Clock, send: (lines: readonly AccessLogLine[]) => void) {
    this.#clock = clock;
    this.#send = send;
  }

  add(line: AccessLogLine): void {
    this.#lines.push(line);
    if (this.#lines.length >= BATCH_LINES) return this.flush();
    if (this.#scheduled) return;
    this.#scheduled = true;
    this.#clock.after(BATCH_MS, () => {
      this.#scheduled = false;
      this.flush();
    });
  }

  flush(): void {
    if (this.#lines.length === 0) return;
    const lines = this.#lines;
    this.#lines = [];
    this.#send(lines);
  }
}
