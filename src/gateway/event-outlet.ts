import type { GatewayEvent } from '../protocol/control.ts';

/** Most bytes of events of one sort that may be on their way to the supervisor; an estimate, the kernel's buffer not counted. */
const UNSENT_BYTES_MAX = 256 * 1024;
/** What a line costs beside its text; a fault has a trace too. */
const LINE_BYTES = 200;
const FAULT_BYTES = 1_000;

/** What may be dropped, each sort within bounds of its own: an endpoint that prints without end hides nobody's faults. */
type Sort = 'log lines' | 'faults';

interface Backlog {
  unsentBytes: number;
  dropped: number;
}

/**
 * The events of a gateway process on their way to the supervisor. They share one channel with its calls, which must not
 * wait behind log lines, nor may lines pile up in memory: when the supervisor takes them slower than handlers and clients
 * make them, lines are dropped, and counted in a line of their own; so are faults. All other events always go.
 */
export class EventOutlet {
  readonly #send: (event: GatewayEvent) => Promise<void>;
  readonly #backlogs: Readonly<Record<Sort, Backlog>> = {
    'log lines': { unsentBytes: 0, dropped: 0 },
    faults: { unsentBytes: 0, dropped: 0 },
  };

  /** `send` resolves when the event was handed to the system. */
  constructor(send: (event: GatewayEvent) => Promise<void>) {
    this.#send = send;
  }

  emit(event: GatewayEvent): void {
    const load = loadOf(event);
    if (load === null) return void this.#send(event);
    if (load.count === 0) return;
    const backlog = this.#backlogs[load.sort];
    if (backlog.unsentBytes >= UNSENT_BYTES_MAX) backlog.dropped += load.count;
    else void this.#sendSome(event, load);
  }

  async #sendSome(event: GatewayEvent, { sort, bytes }: Load): Promise<void> {
    const backlog = this.#backlogs[sort];
    backlog.unsentBytes += bytes;
    await this.#send(event);
    backlog.unsentBytes -= bytes;
    if (backlog.dropped > 0 && backlog.unsentBytes < UNSENT_BYTES_MAX / 2) this.#tellDropped(sort, backlog);
  }

  #tellDropped(sort: Sort, backlog: Backlog): void {
    const lines = backlog.dropped;
    backlog.dropped = 0;
    const message = `${lines} ${sort} were dropped: they came faster than they could be written.`;
    void this.#send({ kind: 'log', level: 'warn', message, fields: { lines } });
  }
}

interface Load {
  readonly sort: Sort;
  readonly count: number;
  readonly bytes: number;
}

/** What the event adds to its sort; null: it is none that may be dropped. */
function loadOf(event: GatewayEvent): Load | null {
  switch (event.kind) {
    case 'handler_log':
      return linesLoad(event.lines.map(line => line.message));
    case 'access_log':
      return linesLoad(event.lines.map(line => line.path));
    case 'fault':
      return { sort: 'faults', count: 1, bytes: FAULT_BYTES + (event.fault.message?.length ?? 0) };
    default:
      return null;
  }
}

function linesLoad(texts: readonly string[]): Load {
  const bytes = texts.reduce((sum, text) => sum + LINE_BYTES + text.length, 0);
  return { sort: 'log lines', count: texts.length, bytes };
}
