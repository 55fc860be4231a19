/** What is made of the gateway's own crates: compiled when it is first needed, kept in DATA_DIR under the digest of its sources. */
import { readdir, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Cargo } from './cargo.ts';
import { sourceDigest } from './source-digest.ts';
import { createFolder, isMissing, onDisk, writeAtomically } from './storage.ts';

export interface OwnCrateOptions {
  readonly cargo: Cargo;
  readonly cratesDir: string;
  readonly buildDir: string;
  readonly dataDir: string;
  readonly crate: OwnCrateName;
}

interface Product {
  /** Beginning of its file's name, and its own folder in BUILD_DIR: what it is made of has nothing to do with handlers. */
  readonly name: string;
  readonly extension: string;
  /** Of the crate's library, or its program. */
  readonly target: string;
  /** Its workspace, below the folder of crates. */
  readonly workspace: string;
  readonly sources: readonly string[];
}

const PRODUCTS = {
  'rust-edge-gateway-guard': {
    name: 'guard',
    extension: '.so',
    target: 'rust_edge_gateway_guard',
    workspace: '.',
    sources: ['Cargo.toml', 'Cargo.lock', 'rust-edge-gateway-abi', 'rust-edge-gateway-guard'],
  },
  'rust-edge-gateway-symbols': {
    name: 'symbols',
    extension: '',
    target: 'rust-edge-gateway-symbols',
    workspace: 'rust-edge-gateway-symbols',
    sources: ['rust-edge-gateway-symbols'],
  },
} as const satisfies Record<string, Product>;

export type OwnCrateName = keyof typeof PRODUCTS;

export class OwnCrate {
  readonly #options: OwnCrateOptions;
  readonly #product: Product;
  #path: Promise<string> | null = null;

  constructor(options: OwnCrateOptions) {
    this.#options = options;
    this.#product = PRODUCTS[options.crate];
  }

  /**
   * Path of the library or program; it is built at the first call, and after a failure at the next.
   * @throws AdminError see `Cargo.build`; `storage_failed`
   */
  path(): Promise<string> {
    this.#path ??= this.#provide().catch((error: unknown) => {
      this.#path = null;
      throw error;
    });
    return this.#path;
  }

  async #provide(): Promise<string> {
    const { cratesDir, dataDir } = this.#options;
    const { name, extension, sources } = this.#product;
    const fileName = `${name}-${await sourceDigest(cratesDir, sources)}${extension}`;
    const path = join(dataDir, fileName);
    if (await isFile(path)) return path;
    const content = await readFile(await this.#build());
    await onDisk(async () => {
      await createFolder(dataDir, 0o700);
      await writeAtomically(path, content, 0o500);
      await this.#removeOthers(fileName);
    });
    return path;
  }

  async #build(): Promise<string> {
    const { cargo, cratesDir, buildDir, crate } = this.#options;
    const { name, target, workspace } = this.#product;
    const { productPath } = await cargo.build({
      folder: join(cratesDir, workspace),
      arguments: ['--locked', '-p', crate, '--target-dir', join(buildDir, name)],
      target,
    });
    return productPath;
  }

  /** Those of older versions, and what an interrupted write has left. */
  async #removeOthers(fileName: string): Promise<void> {
    const { dataDir } = this.#options;
    const ours = new RegExp(`^${this.#product.name}-[0-9a-f]{64}`);
    const others = (await readdir(dataDir)).filter(other => ours.test(other) && other !== fileName);
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
