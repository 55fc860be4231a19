/** The guard's library: compiled at the first start, kept in DATA_DIR under the digest of its sources. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cargo } from './cargo.ts';
import { sourceDigest } from './source-digest.ts';
import { createFolder, isMissing, onDisk, writeAtomically } from './storage.ts';

export interface GuardLibraryOptions {
  readonly cargo: Cargo;
  readonly cratesDir: string;
  readonly buildDir: string;
  readonly dataDir: string;
}

const CRATE = 'rust-edge-gateway-guard';
const SOURCES = ['Cargo.toml', 'Cargo.lock', 'rust-edge-gateway-abi', CRATE];
const FILE_NAME = /^guard-[0-9a-f]{64}\.so/;

export class GuardLibrary {
  readonly #options: GuardLibraryOptions;
  #path: Promise<string> | null = null;

  constructor(options: GuardLibraryOptions) {
    this.#options = options;
  }

  /** The library's path; it is built at the first call, and after a failure at the next. */
  path(): Promise<string> {
    this.#path ??= this.#provide().catch((error: unknown) => {
      this.#path = null;
      throw error;
    });
    return this.#path;
  }

  async #provide(): Promise<string> {
    const { cratesDir, dataDir } = this.#options;
    const name = `guard-${await sourceDigest(cratesDir, SOURCES)}.so`;
    const path = join(dataDir, name);
    if (await isFile(path)) return path;
    const library = await readFile(await this.#build());
    await onDisk(async () => {
      await createFolder(dataDir, 0o700);
      await writeAtomically(path, library, 0o500);
      await this.#removeOthers(name);
    });
    return path;
  }

  /** In a target directory of its own: what the guard is made of has nothing to do with handlers. */
  async #build(): Promise<string> {
    const { cargo, cratesDir, buildDir } = this.#options;
    const { libraryPath } = await cargo.build({
      folder: cratesDir,
      arguments: ['--locked', '-p', CRATE, '--target-dir', join(buildDir, 'guard')],
      library: CRATE.replaceAll('-', '_'),
    });
    return libraryPath;
  }

  async #removeOthers(name: string): Promise<void> {
    const { dataDir } = this.#options;
    const others = (await readdir(dataDir)).filter(other => FILE_NAME.test(other) && other !== name);
    await Promise.all(others.map(other => rm(join(dataDir, other), { force: true })));
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
