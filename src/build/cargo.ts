/** Runs cargo: offline when what is needed is on this machine, within a time limit, and never past the end of this process. */
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { readdir, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { AdminError } from '../errors.ts';
import { CargoOutput } from './cargo-output.ts';
import { runGroup, type GroupOptions, type GroupResult } from './process-group.ts';
import { findToolchain, type Toolchain } from './toolchain.ts';

export interface CargoBuild {
  readonly folder: string;
  /** Further arguments of `cargo build --release`. */
  readonly arguments?: readonly string[];
  readonly environment?: NodeJS.ProcessEnv;
  /** Name of the library or program to build. */
  readonly target: string;
  onCrate?(name: string): void;
}

export interface CargoResult {
  readonly productPath: string;
  readonly output: CargoOutput;
}

export class Cargo {
  readonly #environment: NodeJS.ProcessEnv;
  readonly #timeoutMs: number;
  readonly #closing = new AbortController();
  readonly #running = new Set<Promise<unknown>>();
  #toolchain: Promise<Toolchain> | null = null;

  constructor(options: { environment: NodeJS.ProcessEnv; timeoutMs: number }) {
    this.#environment = options.environment;
    this.#timeoutMs = options.timeoutMs;
  }

  /**
   * The toolchain, looked for once; a missing one is looked for again at the next call.
   * @throws AdminError `toolchain_missing`
   */
  toolchain(): Promise<Toolchain> {
    this.#toolchain ??= findToolchain(this.#environment).catch((error: unknown) => {
      this.#toolchain = null;
      throw error;
    });
    return this.#toolchain;
  }

  /**
   * Builds a library or a program. Cargo is kept off the network at first: whether a lock file can be satisfied is then answered at
   * once and from this machine alone. What it cannot satisfy is tried again with the network, before anything is compiled.
   * @throws AdminError `compile_failed`, `compile_timeout`, `toolchain_missing`, `storage_failed`, `shutting_down`
   */
  async build(build: CargoBuild): Promise<CargoResult> {
    const toolchain = await this.toolchain();
    const offline = await this.#attempt(toolchain, build, ['--offline']);
    const wantsNetwork = offline.result.status !== 0 && !offline.output.started;
    const { output, result } = wantsNetwork ? await this.#attempt(toolchain, build, []) : offline;
    if (output.productPath !== null && result.status === 0) return { productPath: output.productPath, output };
    throw failure(output, result, build.folder);
  }

  /**
   * Makes a build directory begin with what another one has compiled, in which nothing is built meanwhile; where there is
   * one by then, that is left. Times are kept to the nanosecond, for cargo goes by them.
   */
  async copyBuildDirectory(from: string, to: string): Promise<void> {
    await this.#removeOldCopies(to);
    const unfinished = `${to}.${randomUUID()}`;
    try {
      const { environment } = await this.toolchain();
      const copy = { command: 'cp', arguments: ['-a', '--', from, unfinished], folder: dirname(to), environment };
      const { status, errorOutput } = await this.#run({ ...copy, onOutputLine: () => {} });
      if (status !== 0) throw new AdminError('storage_failed', `The build directory cannot be copied: ${errorOutput}`);
      await rename(unfinished, to);
    } catch (error) {
      await rm(unfinished, { recursive: true, force: true });
      if (!existsSync(to)) throw error;
    }
  }

  /** Those that were not finished when their program ended. */
  async #removeOldCopies(to: string): Promise<void> {
    const names = await readdir(dirname(to));
    for (const name of names.filter(name => name.startsWith(`${basename(to)}.`))) {
      const path = join(dirname(to), name);
      const copied = await stat(path).catch(() => null);
      if (copied !== null && Date.now() - copied.ctimeMs > 2 * this.#timeoutMs)
        await rm(path, { recursive: true, force: true });
    }
  }

  /** Kills what runs and refuses what comes. */
  async close(): Promise<void> {
    this.#closing.abort();
    await Promise.allSettled(this.#running);
  }

  async #attempt(toolchain: Toolchain, build: CargoBuild, network: readonly string[]): Promise<Attempt> {
    const output = new CargoOutput({ target: build.target, onCrate: name => build.onCrate?.(name) });
    const result = await this.#run({
      command: toolchain.cargo,
      arguments: ['build', '--release', '--quiet', '--message-format', 'json', ...network, ...(build.arguments ?? [])],
      folder: build.folder,
      environment: { ...toolchain.environment, ...build.environment },
      onOutputLine: line => output.readLine(line),
    });
    return { output, result };
  }

  async #run(options: Omit<GroupOptions, 'timeoutMs' | 'signal'>): Promise<GroupResult> {
    if (this.#closing.signal.aborted) throw new AdminError('shutting_down');
    const running = runGroup({ ...options, timeoutMs: this.#timeoutMs, signal: this.#closing.signal });
    this.#running.add(running);
    try {
      const result = await running;
      if (result.end === 'aborted') throw new AdminError('shutting_down');
      if (result.end === 'timed_out') throw timedOut(this.#timeoutMs);
      return result;
    } finally {
      this.#running.delete(running);
    }
  }
}

interface Attempt {
  readonly output: CargoOutput;
  readonly result: GroupResult;
}

const timedOut = (timeoutMs: number): AdminError =>
  new AdminError('compile_timeout', `The build ran past its time limit of ${timeoutMs / 1000} s and was stopped.`);

/** What a failed run of cargo means: the disk, the machine's set-up, or, as a rule, the code. */
function failure(output: CargoOutput, { errorOutput, status }: GroupResult, folder: string): AdminError {
  const { diagnostics, rendered } = output.failure;
  const said = withoutFolder(`${rendered}\n${errorOutput}`, folder);
  if (/No space left on device|Read-only file system|Disk quota exceeded/.test(said)) {
    return new AdminError('storage_failed', `The build directory cannot be written: ${firstLine(said)}`);
  }
  const linker = /linker `(.+?)` not found/.exec(said)?.[1];
  if (linker !== undefined) {
    const message = `Rust needs a C linker, and "${linker}" is not installed; install a C compiler, for example gcc.`;
    return new AdminError('toolchain_missing', message);
  }
  const message = withoutFolder(rendered === '' ? errorOutput : rendered, folder).trim();
  return new AdminError('compile_failed', message === '' ? `cargo ended with status ${status}.` : message, {
    details: diagnostics,
  });
}

/** Paths in messages begin at the project, as its author knows it. */
const withoutFolder = (text: string, folder: string): string =>
  text.replaceAll(`${folder}/`, '').replaceAll(` (${folder})`, '');

const firstLine = (text: string): string => text.trim().split('\n', 1)[0] ?? '';
