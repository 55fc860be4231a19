/** What a run takes from the machine: a disk that can be filled, and a compiler that can be broken. */
import { execFile } from 'node:child_process';
import { accessSync, chmodSync, constants, rmSync, writeFileSync } from 'node:fs';
import { mkdir, mkdtemp, open, readFile, rm, statfs, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import type { BrokenCompiler } from './plan.ts';

const run = promisify(execFile);

const DISK_MB = 256;

/** A cargo that does as its mode file says; without one it is the real one. */
const cargoScript = (modePath: string, cargo: string): string => `#!/bin/sh
case "$(cat '${modePath}' 2>/dev/null)" in
  fails) echo 'error: the compiler is broken' >&2; exit 101 ;;
  hangs) exec sleep 3600 ;;
  killed) kill -9 $$ ;;
  rubbish) head -c 65536 /dev/urandom; head -c 65536 /dev/urandom >&2; exit 0 ;;
  silent) exit 0 ;;
esac
exec '${cargo}' "$@"
`;

export class Machine {
  /** Where the gateway keeps its data and its handlers: a small file system of its own, where that can be mounted. */
  readonly folder: string;
  /** Where handlers note down that they ran: a folder that never fills. */
  readonly executionsPath: string;
  /** Why the disk cannot be filled here; null: it can. */
  readonly noDisk: string | null;
  readonly #aside: string;
  readonly #modePath: string;

  private constructor(folder: string, aside: string, noDisk: string | null) {
    this.folder = folder;
    this.#aside = aside;
    this.noDisk = noDisk;
    this.executionsPath = join(aside, 'executions');
    this.#modePath = join(aside, 'cargo-mode');
  }

  static async prepare(): Promise<Machine> {
    const folder = await mkdtemp(join(tmpdir(), 'chaos-disk-'));
    const aside = await mkdtemp(join(tmpdir(), 'chaos-'));
    const noDisk = await mount(folder);
    const machine = new Machine(folder, aside, noDisk);
    await writeFile(machine.executionsPath, '');
    await mkdir(join(aside, 'bin'));
    const cargo = join(aside, 'bin', 'cargo');
    writeFileSync(cargo, cargoScript(machine.#modePath, findOnPath('cargo')));
    chmodSync(cargo, 0o755);
    return machine;
  }

  /** The PATH of the gateway: its first cargo is the one that can be broken. */
  get path(): string {
    return [join(this.#aside, 'bin'), process.env['PATH'] ?? ''].join(delimiter);
  }

  breakCompiler(how: BrokenCompiler): void {
    writeFileSync(this.#modePath, how);
  }

  mendCompiler(): void {
    rmSync(this.#modePath, { force: true });
  }

  async fillDisk(): Promise<void> {
    const file = await open(this.#filler, 'w');
    try {
      for (let block = 1 << 20; block >= 1 << 12; block >>= 2) await writeUntilFull(file, Buffer.alloc(block));
    } finally {
      await file.close();
    }
  }

  async freeDisk(): Promise<void> {
    await rm(this.#filler, { force: true });
  }

  /** Bytes that are free where the gateway keeps its data. */
  async freeBytes(): Promise<number> {
    const { bavail, bsize } = await statfs(this.folder);
    return bavail * bsize;
  }

  /** Request ids that handlers have noted down. */
  async executions(): Promise<string[]> {
    return (await readFile(this.executionsPath, 'utf8')).split('\n').filter(line => line !== '');
  }

  /** Gives everything back; the gateway has ended. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.noDisk === null) await run('umount', ['--lazy', this.folder]);
    await rm(this.folder, { recursive: true, force: true });
    await rm(this.#aside, { recursive: true, force: true });
  }

  get #filler(): string {
    return join(this.folder, 'filler');
  }
}

/** null: a small file system is mounted there; else why not. */
async function mount(folder: string): Promise<string | null> {
  try {
    await run('mount', ['-t', 'tmpfs', '-o', `size=${DISK_MB}m`, 'chaos', folder]);
    return null;
  } catch (error) {
    return error instanceof Error ? error.message.trim() : String(error);
  }
}

async function writeUntilFull(file: Awaited<ReturnType<typeof open>>, block: Buffer): Promise<void> {
  try {
    for (;;) await file.write(block);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function findOnPath(command: string): string {
  for (const folder of (process.env['PATH'] ?? '').split(delimiter)) {
    const path = join(folder, command);
    try {
      accessSync(path, constants.X_OK);
      return path;
    } catch {
      // The next folder may have it.
    }
  }
  throw new Error(`${command} is not on the PATH.`);
}
