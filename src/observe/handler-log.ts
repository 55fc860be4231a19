import { LIMITS } from '../config.ts';
import type { FaultReport } from '../protocol/control.ts';
import type { HandlerLogLevel } from '../protocol/guard.ts';
import type { Backtrace } from './backtrace/backtraces.ts';

/** A line a handler wrote, or a fault it had. */
export interface HandlerLogEntry {
  readonly at: number;
  readonly generation: number;
  readonly requestId: string | null;
  readonly level: HandlerLogLevel;
  readonly message: string;
  /** null: a line of the handler's own. */
  readonly fault: FaultReport | null;
  /** Of a fault; null with a line of the handler's own. */
  readonly backtrace: Backtrace | null;
}

/** Longest message that is kept, in UTF-16 units. */
const MESSAGE_LENGTH_MAX = 16_384;
const UNIT_BYTES = 2;
/** What an entry occupies beside its texts and its trace, about; backtraces are shared by all that are equal. */
const ENTRY_BYTES = 200;
const OFFSET_BYTES = 8;

type Listener = (entry: HandlerLogEntry) => void;

/** The recent log lines of one endpoint, and those who follow them. */
export class HandlerLog {
  readonly #entries: HandlerLogEntry[] = [];
  #bytes = 0;
  readonly #followers = new Set<Listener>();

  append(entry: HandlerLogEntry): void {
    const kept = shortened(entry);
    this.#entries.push(kept);
    this.#bytes += bytesOf(kept);
    while (this.#entries.length > LIMITS.logLinesKept || this.#bytes > LIMITS.logLineBytesKept) this.#dropOldest();
    for (const follow of this.#followers) follow(kept);
  }

  /** Oldest first. */
  recent(limit: number = LIMITS.logLinesKept): readonly HandlerLogEntry[] {
    return this.#entries.slice(-limit);
  }

  /** @returns a function that ends the following. */
  follow(listener: Listener): () => void {
    this.#followers.add(listener);
    return () => this.#followers.delete(listener);
  }

  #dropOldest(): void {
    const oldest = this.#entries.shift();
    this.#bytes -= oldest === undefined ? 0 : bytesOf(oldest);
  }
}

function shortened(entry: HandlerLogEntry): HandlerLogEntry {
  const { message, fault } = entry;
  const told = fault?.message ?? null;
  const shortFault = fault === null || told === null ? fault : { ...fault, message: shortText(told) };
  return { ...entry, message: shortText(message), fault: shortFault };
}

/** A copy: part of a text would keep all of it in memory. */
function shortText(text: string): string {
  return text.length > MESSAGE_LENGTH_MAX ? Buffer.from(text.slice(0, MESSAGE_LENGTH_MAX)).toString() : text;
}

function bytesOf({ message, fault }: HandlerLogEntry): number {
  const units = message.length + (fault?.message?.length ?? 0);
  return ENTRY_BYTES + UNIT_BYTES * units + OFFSET_BYTES * (fault?.trace.length ?? 0);
}

/** The logs of the endpoints there are, in memory. */
export class HandlerLogs {
  readonly #logs = new Map<string, HandlerLog>();

  /** The endpoint was created, or is there since an earlier run. */
  open(endpoint: string): void {
    this.#logs.set(endpoint, new HandlerLog());
  }

  /**
   * null: there is no such endpoint, and what is still told of it is kept nowhere. Who has something to tell later asks
   * now: by then there may be another endpoint of this name.
   */
  of(endpoint: string): HandlerLog | null {
    return this.#logs.get(endpoint) ?? null;
  }

  forget(endpoint: string): void {
    this.#logs.delete(endpoint);
  }
}
