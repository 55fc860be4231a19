/** Builds what the guard's tests load: the guard itself, and variants of the C handler. */
import { execFile } from 'node:child_process';
import { copyFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = join(import.meta.dirname, '../..');
const crates = join(root, 'crates');

/** Builds the guard as the gateway does; its path. */
export async function buildGuard(): Promise<string> {
  const manifest = join(crates, 'Cargo.toml');
  await run('cargo', ['build', '--release', '-p', 'rust-edge-gateway-guard', '--manifest-path', manifest]);
  return join(process.env['CARGO_TARGET_DIR'] ?? join(crates, 'target'), 'release/librust_edge_gateway_guard.so');
}

/** Compilers of C handlers in one folder. Every bind needs a private copy: dlopen tells libraries apart by inode. */
export class CHandlers {
  readonly #folder: string;
  #copies = 0;

  constructor(folder: string) {
    this.#folder = folder;
  }

  /** Compiles the variant of `test/fixtures/handler.c` that `define` selects; its path. */
  async compile(define = 'AS_IT_IS'): Promise<string> {
    const output = join(this.#folder, `${define}.so`);
    const warnings = ['-Wall', '-Wextra', '-Werror'];
    const include = join(crates, 'rust-edge-gateway-abi/include');
    const source = join(root, 'test/fixtures/handler.c');
    await run('cc', [
      '-std=c11',
      '-O2',
      ...warnings,
      '-shared',
      '-fPIC',
      `-D${define}`,
      `-I${include}`,
      source,
      '-o',
      output,
    ]);
    return output;
  }

  /** A private copy of a library; its path. */
  async copy(library: string): Promise<string> {
    const path = join(this.#folder, `image-${this.#copies++}.so`);
    await copyFile(library, path);
    return path;
  }
}
