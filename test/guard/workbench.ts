/** What every test of the guard needs: the guard in the main thread, worker threads, private copies of handlers. */
import { readFileSync } from 'node:fs';
import { mkdtemp, rm, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadGuard, type GuardLibrary } from './guard-library.ts';
import { GuardedThread, type BindResult } from './guarded-thread.ts';
import { CHandlers, buildGuard } from './libraries.ts';

/** Limit of `handler_init` and of a clean unbind; generous, for a loaded machine. */
const SETUP_LIMIT_MS = 2000;

export class Workbench {
  readonly guard: GuardLibrary;
  readonly handlers: CHandlers;
  readonly #guardPath: string;
  readonly #folder: string;
  readonly #threads: GuardedThread[] = [];

  private constructor(guardPath: string, folder: string) {
    this.#guardPath = guardPath;
    this.#folder = folder;
    this.guard = loadGuard(guardPath);
    this.handlers = new CHandlers(folder);
  }

  static async open(): Promise<Workbench> {
    const folder = await mkdtemp(join(tmpdir(), 'guard-test-'));
    const workbench = new Workbench(await buildGuard(), folder);
    if (workbench.guard.install() !== 0) throw new Error('the guard cannot set its signal handlers up');
    return workbench;
  }

  async close(): Promise<void> {
    await Promise.all(this.#threads.map(thread => thread.end()));
    await rm(this.#folder, { recursive: true });
  }

  /** A path in the workbench's folder, which is removed when it closes. */
  pathOf(name: string): string {
    return join(this.#folder, name);
  }

  startThread(): GuardedThread {
    const thread = new GuardedThread({ guardPath: this.#guardPath });
    this.#threads.push(thread);
    return thread;
  }

  /** Binds a private copy of `library`, which has no name any more afterwards, as in the gateway. */
  async tryBind(thread: GuardedThread, library: string, limitMs = SETUP_LIMIT_MS): Promise<BindResult> {
    const path = await this.handlers.copy(library);
    const bound = await thread.run('bind', path, limitMs);
    await unlink(path);
    return bound;
  }

  /** The number of a freshly bound image. */
  async bind(thread: GuardedThread, library: string): Promise<number> {
    const { image, message } = await this.tryBind(thread, library);
    if (image < 0) throw new Error(`bind: ${image} ${message}`);
    return image;
  }

  /** Unbinds after running the image's clean-up, and takes what that logged; the bits of UNBIND. */
  async unbind(thread: GuardedThread, image: number): Promise<number> {
    const bits = await thread.run('unbind', image, SETUP_LIMIT_MS);
    await thread.run('takeLog');
    return bits;
  }

  /** How many mappings of this process are of our images. */
  mapped(): number {
    const lines = readFileSync('/proc/self/maps', 'utf8').split('\n');
    return lines.filter(line => line.includes(this.#folder)).length;
  }
}
