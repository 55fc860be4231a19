/** Makes the table of symbols of every build, behind the builds: no build waits for it, and none fails for want of it. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import PQueue from 'p-queue';
import type { Logger } from 'pino';
import { LIMITS } from '../../config.ts';
import type { Artifacts } from '../artifacts.ts';
import type { OwnCrate } from '../own-crate.ts';

export interface SymbolMakerOptions {
  /** The program that reads debug information: crate `rust-edge-gateway-symbols`. */
  readonly program: Pick<OwnCrate, 'path'>;
  readonly artifacts: Artifacts;
  readonly log: Pick<Logger, 'warn'>;
  readonly now?: () => number;
}

/** A library as it was built, and where its sources are. */
export interface SymbolInput {
  readonly digest: string;
  /** With debug information. */
  readonly library: Buffer;
  /** Paths of sources begin at these folders. */
  readonly folders: readonly string[];
}

/** Compiled at the first build of an endpoint, the program takes some seconds; a run of it, a tenth of one. */
const RUN_TIMEOUT_MS = 60_000;
/** A program that could not be built, say for want of a network, is not tried for each build anew. */
const RETRY_AFTER_MS = 600_000;

const compress = promisify(gzip);
const decompress = promisify(gunzip);

export class SymbolMaker {
  readonly #options: SymbolMakerOptions;
  readonly #now: () => number;
  /** One at a time: a table is needed at the earliest when somebody has deployed the build and asked for it. */
  readonly #queue = new PQueue({ concurrency: 1 });
  readonly #making = new Map<string, Promise<void>>();
  readonly #closing = new AbortController();
  #failedAt: number | null = null;

  constructor(options: SymbolMakerOptions) {
    this.#options = options;
    this.#now = options.now ?? performance.now.bind(performance);
  }

  /** Begins to make the symbols of an artifact. Each that waits holds its library, so past a limit there are none. */
  make(input: SymbolInput): void {
    if (this.#closing.signal.aborted) return;
    if (this.#making.size >= LIMITS.symbolsWaitingMax)
      return this.#warn(input.digest, 'too many others are being made');
    const { digest } = input;
    const made = this.#queue.add(async () => {
      await this.#attempt(input);
      if (this.#making.get(digest) === made) this.#making.delete(digest);
    });
    this.#making.set(digest, made);
  }

  /** The table of an artifact's symbols, when it is made; null: there is none, or its file is damaged. */
  async table(digest: string): Promise<Buffer | null> {
    await this.#making.get(digest);
    try {
      const file = await this.#options.artifacts.symbols(digest);
      return file === null ? null : await decompress(file, { maxOutputLength: LIMITS.symbolTableBytesMax });
    } catch (error) {
      const message = 'the symbols of an artifact cannot be read, so its backtraces are offsets only';
      this.#options.log.warn({ event: 'symbols_unreadable', digest, err: error }, message);
      return null;
    }
  }

  async close(): Promise<void> {
    this.#closing.abort();
    this.#queue.clear();
    await this.#queue.onIdle();
  }

  async #attempt(input: SymbolInput): Promise<void> {
    try {
      const program = await this.#program();
      if (program === null) return;
      const table = await this.#run(program, input);
      await this.#options.artifacts.storeSymbols(input.digest, await compress(table));
    } catch (error) {
      if (!this.#closing.signal.aborted) this.#warn(input.digest, 'it failed', error);
    }
  }

  /** @throws AdminError when the program cannot be built; null: it could not a short while ago. */
  async #program(): Promise<string | null> {
    if (this.#failedAt !== null && this.#now() - this.#failedAt < RETRY_AFTER_MS) return null;
    try {
      return await this.#options.program.path();
    } catch (error) {
      this.#failedAt = this.#now();
      throw error;
    }
  }

  async #run(program: string, { library, folders }: SymbolInput): Promise<Buffer> {
    const running = promisify(execFile)(program, folders, {
      encoding: 'buffer',
      env: {},
      timeout: RUN_TIMEOUT_MS,
      killSignal: 'SIGKILL',
      maxBuffer: LIMITS.symbolTableBytesMax,
      signal: this.#closing.signal,
    });
    // A program that ends early does not read its input to the end; how it ended says more than the broken pipe.
    running.child.stdin?.on('error', () => undefined);
    running.child.stdin?.end(library);
    return (await running).stdout;
  }

  #warn(digest: string, why: string, error?: unknown): void {
    const message = `the symbols of an artifact are not made, so its backtraces are offsets only: ${why}`;
    this.#options.log.warn({ event: 'symbols_missing', digest, err: error }, message);
  }
}
