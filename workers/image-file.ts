import { renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import process from 'node:process';
import { threadId } from 'node:worker_threads';
import type { ImageSpec } from '../src/protocol/worker.ts';

let imagesMade = 0;

/**
 * The file behind an image. No name is used twice: the dynamic linker takes a known name for the library it has, even with
 * another file behind it.
 */
export class ImageFile {
  readonly #deployedPath: string;
  #path: string;
  #isThere = true;

  constructor({ endpoint, generation, imagesDir }: ImageSpec, ahead: boolean) {
    imagesMade += 1;
    const library = `libhandler_${endpoint.replaceAll('-', '_')}`;
    const worker = `${process.pid}-${threadId}-${imagesMade}`;
    this.#deployedPath = join(imagesDir, `${library}.g${generation}.${worker}.so`);
    this.#path = ahead ? join(imagesDir, `${library}.next.${worker}.so`) : this.#deployedPath;
  }

  get path(): string {
    return this.#path;
  }

  /** Gives it the name of its generation. Where that cannot be done, it keeps the one it has. */
  rename(): void {
    if (!this.#isThere || this.#path === this.#deployedPath) return;
    try {
      renameSync(this.#path, this.#deployedPath);
      this.#path = this.#deployedPath;
    } catch {
      // Only who reads the memory map sees it.
    }
  }

  remove(): void {
    if (this.#isThere) rmSync(this.#path, { force: true });
    this.#isThere = false;
  }
}
