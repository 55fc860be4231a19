import { EventEmitter } from 'node:events';
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

/** The recent log lines of every endpoint, in memory, and those who follow them. */
export class HandlerLogs {
  readonly #entries = new Map<string, HandlerLogEntry[]>();
  readonly #followers = new EventEmitter().setMaxListeners(0);

  append(endpoint: string, entry: HandlerLogEntry): void {
    const kept = { ...entry, message: entry.message.slice(0, MESSAGE_LENGTH_MAX) };
    const entries = this.#entries.get(endpoint) ?? [];
    this.#entries.set(endpoint, entries);
    entries.push(kept);
    if (entries.length > LIMITS.logLinesKept) entries.shift();
    this.#followers.emit(endpoint, kept);
  }

  /** Oldest first. */
  recent(endpoint: string, limit: number = LIMITS.logLinesKept): readonly HandlerLogEntry[] {
    return (this.#entries.get(endpoint) ?? []).slice(-limit);
  }

  /** @returns a function that ends the following. */
  follow(endpoint: string, listener: (entry: HandlerLogEntry) => void): () => void {
    this.#followers.on(endpoint, listener);
    return () => this.#followers.off(endpoint, listener);
  }

  forget(endpoint: string): void {
    this.#entries.delete(endpoint);
  }
}
