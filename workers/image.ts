import { chmodSync, constants, copyFileSync } from 'node:fs';
import type { BindFailure } from '../src/protocol/control.ts';
import { BIND_ERRORS, ENTRY } from '../src/protocol/guard.ts';
import { REPLY_RECORD_BYTES_MAX } from '../src/protocol/ring.ts';
import type { ImageSpec } from '../src/protocol/worker.ts';
import type { ThreadGuard } from './guard.ts';
import { ImageFile } from './image-file.ts';
import type { ImageRequest } from './image-request.ts';

/** Output of one call; only a larger one, which the reply ring would not take either, has to be fetched. */
const OUTPUT_BYTES = REPLY_RECORD_BYTES_MAX;
/** Fetching copies memory that is ready: a limit only against an image that is damaged. */
const FETCH_LIMIT_MS = 5_000;
/** Giving memory back takes milliseconds: likewise. */
const TRIM_LIMIT_MS = 5_000;
const sharedOutput = Buffer.allocUnsafeSlow(OUTPUT_BYTES);

/** One private copy of a generation's library, bound to this thread, and the requests suspended in it. */
export class Image {
  /** By number. */
  readonly suspended = new Map<number, ImageRequest>();
  /** Where the last call has written; the next call on this thread overwrites it. */
  output = sharedOutput;
  readonly #guard: ThreadGuard;
  readonly #number: number;
  readonly #outputBytesMax: number;
  readonly #file: ImageFile;

  constructor(guard: ThreadGuard, number: number, arenaBytes: number, file: ImageFile) {
    this.#guard = guard;
    this.#number = number;
    this.#outputBytesMax = arenaBytes + OUTPUT_BYTES;
    this.#file = file;
  }

  /** Its generation is deployed: `/proc/self/maps`, which follows the file, shows it under that name. */
  deployed(): void {
    this.#file.rename();
    this.#file.remove();
  }

  /** Bytes in `output`; -n: n bytes wait for `fetch`; null: a fault, after which only `unbind(0)` is allowed. */
  call(entry: number, input: Uint8Array, inputBytes: number, limitMs: number): number | null {
    this.output = sharedOutput;
    return this.#guard.call(this.#number, entry, input, inputBytes, this.output, limitMs);
  }

  /** Fetches `bytes` of output that did not fit; as `call`. More than its heap can hold is no output. */
  fetch(bytes: number): number | null {
    if (bytes > this.#outputBytesMax) return -bytes;
    this.output = Buffer.allocUnsafeSlow(bytes);
    return this.#guard.call(this.#number, ENTRY.fetch, this.output, 0, this.output, FETCH_LIMIT_MS);
  }

  /** Has it give memory back that has not been needed since the last time; null: a fault, as in `call`. */
  trim(): number | null {
    return this.call(ENTRY.trim, sharedOutput, 0, TRIM_LIMIT_MS);
  }

  /** Ends the image; `cleanMs` 0: without running any of its code. Bits of UNBIND. */
  unbind(cleanMs: number): number {
    this.#file.remove();
    return this.#guard.unbind(this.#number, cleanMs);
  }
}

/** Binds a fresh image of the artifact on this thread. `ahead`: before its deploy, so that it keeps its file until then. */
export function bindImage(guard: ThreadGuard, spec: ImageSpec, ahead: boolean): Image | BindFailure {
  const file = new ImageFile(spec, ahead);
  let isKept = false;
  try {
    copyFileSync(spec.artifactPath, file.path, constants.COPYFILE_EXCL);
    chmodSync(file.path, 0o600);
    const number = guard.bind(file.path, spec.arenaBytes, spec.bindTimeoutMs);
    isKept = ahead && number >= 0;
    if (number >= 0) return new Image(guard, number, spec.arenaBytes, file);
    return { code: BIND_ERRORS[number] ?? 'open_failed', message: guard.message };
  } catch (error) {
    return { code: 'copy_failed', message: (error as Error).message };
  } finally {
    // Mapped or not, the file is not needed any more; without a name it cannot be left behind.
    if (!isKept) file.remove();
  }
}
