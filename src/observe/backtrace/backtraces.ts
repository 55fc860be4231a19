/** Turns the traces of faults, offsets in a library, into functions and lines. */
import PQueue from 'p-queue';
import { LIMITS } from '../../config.ts';
import type { Fault } from '../../protocol/guard.ts';
import { LeastRecentMap } from './least-recent.ts';
import { SymbolTable, unknownFrame, type Frame } from './symbol-table.ts';
import { trimFrames } from './trim.ts';

/** Innermost first. Without symbols its frames have offsets only. */
export type Backtrace = readonly Frame[];

export interface BacktraceSources {
  /** Digest of the artifact a generation was loaded from; null: no longer known. May throw. */
  digestOf(endpoint: string, generation: number): string | null;
  /** Table of an artifact's symbols; null: there is none. Must not reject. */
  symbols(digest: string): Promise<Buffer | null>;
}

export interface TracedFault {
  readonly endpoint: string;
  readonly generation: number;
  readonly fault: Pick<Fault, 'kind' | 'trace'>;
}

type Tell = (backtrace: Backtrace) => void;

interface Table {
  /** undefined while it is being loaded. */
  symbols: SymbolTable | null | undefined;
  /** Faults that wait for it, in order; null: they have waited long enough, and those that come do not wait. */
  waiting: (() => void)[] | null;
}

/** A fault that comes again is found here; each handler has a few places where it fails. */
const BACKTRACES_KEPT = { count: 1_024, bytes: 8 * 1024 * 1024 };
const DIGESTS_KEPT = { count: 4_096, bytes: 1024 * 1024 };
const TABLES_KEPT = { count: LIMITS.symbolTablesKept, bytes: LIMITS.symbolTableBytesKept };
const LOADS_AT_ONCE = 4;
/** What a frame of a backtrace occupies beside its texts, about. */
const FRAME_BYTES = 200;

export class Backtraces {
  readonly #sources: BacktraceSources;
  readonly #timeoutMs: number;
  readonly #digests = new LeastRecentMap<string, string>(DIGESTS_KEPT);
  readonly #tables = new LeastRecentMap<string, Table>(TABLES_KEPT);
  /** A table that is being made may take its second; one that is read, some milliseconds. */
  readonly #loads = new PQueue({ concurrency: LOADS_AT_ONCE });
  /** Those that faults may wait for; in memory or not any more. */
  readonly #loading = new Set<Table>();
  #waiting = 0;
  #isClosed = false;
  readonly #known = new LeastRecentMap<string, Backtrace>(BACKTRACES_KEPT);

  constructor(sources: BacktraceSources, timeoutMs: number = LIMITS.symbolsTimeoutMs) {
    this.#sources = sources;
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Calls `tell` with the fault's backtrace: at once when it is known or the table of its artifact is in memory, as for
   * nearly every fault but the first; else when the table is loaded, and within a second.
   */
  trace({ endpoint, generation, fault }: TracedFault, tell: Tell): void {
    const digest = fault.trace.length === 0 ? null : this.#digestOf(endpoint, generation);
    if (digest === null) return tell(fault.trace.map(unknownFrame));
    const key = `${digest} ${fault.kind} ${fault.trace.join(' ')}`;
    const known = this.#known.get(key);
    if (known !== undefined) return tell(known);
    const table = this.#tables.get(digest) ?? this.#load(digest);
    const describe = (): void => tell(this.#describe(key, table.symbols ?? null, fault));
    const isLoading = table.symbols === undefined && table.waiting !== null;
    if (!isLoading || this.#waiting >= LIMITS.faultsWaitingMax || this.#isClosed) return describe();
    this.#waiting += 1;
    table.waiting?.push(describe);
  }

  /** The program ends: no fault waits any longer, and those that do are told as they are. */
  close(): void {
    this.#isClosed = true;
    for (const table of this.#loading) this.#tellWaiting(table);
  }

  /** An endpoint of the same name may come, with generations of the same numbers. */
  forget(endpoint: string): void {
    this.#digests.deleteWhere(key => key.startsWith(`${endpoint} `));
  }

  #digestOf(endpoint: string, generation: number): string | null {
    const key = `${endpoint} ${generation}`;
    const known = this.#digests.get(key);
    if (known !== undefined) return known;
    try {
      const digest = this.#sources.digestOf(endpoint, generation);
      // A generation that is not known may be one of a deleted endpoint, and the next of its name will have this number.
      if (digest !== null) this.#digests.set(key, digest, key.length + digest.length);
      return digest;
    } catch {
      // A store that cannot be read tells of it wherever it matters.
      return null;
    }
  }

  #load(digest: string): Table {
    const table: Table = { symbols: undefined, waiting: [] };
    this.#tables.set(digest, table, 0);
    this.#loading.add(table);
    const timer = setTimeout(() => this.#tellWaiting(table), this.#timeoutMs);
    void this.#loads.add(async () => {
      // Others may have taken its place in memory while it waited for its turn.
      const isWanted = table.waiting !== null || this.#tables.get(digest) === table;
      const bytes = isWanted ? await this.#sources.symbols(digest) : null;
      clearTimeout(timer);
      table.symbols = bytes === null ? null : SymbolTable.read(bytes);
      const size = table.symbols === null ? 0 : (bytes?.length ?? 0);
      if (this.#tables.get(digest) === table) this.#tables.set(digest, table, size);
      this.#tellWaiting(table);
    });
    return table;
  }

  #tellWaiting(table: Table): void {
    const waiting = table.waiting ?? [];
    table.waiting = null;
    this.#loading.delete(table);
    this.#waiting -= waiting.length;
    for (const describe of waiting) describe();
  }

  #describe(key: string, symbols: SymbolTable | null, { kind, trace }: TracedFault['fault']): Backtrace {
    if (symbols === null) return trace.map(unknownFrame);
    const known = this.#known.get(key);
    if (known !== undefined) return known;
    const frames = trace.flatMap(offset => symbols.framesAt(offset));
    const backtrace = trimFrames(kind, frames);
    this.#known.set(key, backtrace, key.length + bytesOf(backtrace));
    return backtrace;
  }
}

function bytesOf(backtrace: Backtrace): number {
  const lengths = backtrace.map(frame => FRAME_BYTES + (frame.function?.length ?? 0) + (frame.file?.length ?? 0));
  return lengths.reduce((sum, length) => sum + length, 0);
}
