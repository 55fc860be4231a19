import type { GatewayEvent } from '../protocol/control.ts';

/** Most bytes of log lines that may be on their way to the supervisor; an estimate, the kernel's buffer not counted. */
const UNSENT_BYTES_MAX = 256 * 1024;
/** What a line costs beside its text. */
const LINE_BYTES = 200;

/**
 * The events of a gateway process on their way to the supervisor. They share one channel with its calls, which must not
 * wait behind log lines, nor may lines pile up in memory: when the supervisor takes them slower than handlers and clients
 * make them, lines are dropped, and counted in a line of their own. All other events always go.
 */
export class EventOutlet {
  readonly #send: (event: GatewayEvent) => Promise<void>;
  #unsentBytes = 0;
  #dropped = 0;

  /** `send` resolves when the event was handed to the system. */
  constructor(send: (event: GatewayEvent) => Promise<void>) {
    this.#send = send;
  }

  emit(event: GatewayEvent): void {
    const texts = linesOf(event);
    if (texts === null) return void this.#send(event);
    if (texts.length === 0) return;
    if (this.#unsentBytes >= UNSENT_BYTES_MAX) this.#dropped += texts.length;
    else void this.#sendLines(event, texts);
  }

  async #sendLines(event: GatewayEvent, texts: readonly string[]): Promise<void> {
    let bytes = 0;
    for (const text of texts) bytes += LINE_BYTES + text.length;
    this.#unsentBytes += bytes;
    await this.#send(event);
    this.#unsentBytes -= bytes;
    if (this.#dropped > 0 && this.#unsentBytes < UNSENT_BYTES_MAX / 2) this.#tellDropped();
  }

  #tellDropped(): void {
    const lines = this.#dropped;
    this.#dropped = 0;
    const message = `${lines} log lines were dropped: they came faster than they could be written.`;
    void this.#send({ kind: 'log', level: 'warn', message, fields: { lines } });
  }
}

/** The texts of the log lines that the event is made of; null: it is another kind of event. */
function linesOf(event: GatewayEvent): readonly string[] | null {
  switch (event.kind) {
    case 'handler_log':
      return event.lines.map(line => line.message);
    case 'access_log':
      return event.lines.map(line => line.path);
    case 'fault':
      return [event.fault.message ?? ''];
    default:
      return null;
  }
}
