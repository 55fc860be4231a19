import type { IncomingMessage } from 'node:http';
import type { BodyBudget } from './body-budget.ts';

export type BodyResult =
  /** The budget holds `body.length` bytes for it, until the receiver releases them. */
  | { readonly kind: 'complete'; readonly body: Buffer }
  | { readonly kind: 'too_large' }
  | { readonly kind: 'bodies_full' }
  /** The client left or broke the transfer off. */
  | { readonly kind: 'aborted' };

/** How much body the headers announce: null when only its end will tell (chunked), 0 when there is none. */
export function announcedBytes(incoming: IncomingMessage): number | null {
  if (incoming.headers['transfer-encoding'] !== undefined) return null;
  return Number(incoming.headers['content-length'] ?? 0);
}

/** Reads a body whose limits are enforced while it arrives. `done` is called once; every result but `complete` holds nothing. */
export class BodyReader {
  readonly #incoming: IncomingMessage;
  readonly #bytesMax: number;
  readonly #budget: BodyBudget;
  readonly #done: (result: BodyResult) => void;
  readonly #chunks: Buffer[] = [];
  #bytes = 0;
  #isFinished = false;

  constructor(
    incoming: IncomingMessage,
    options: { readonly bytesMax: number; readonly budget: BodyBudget },
    done: (result: BodyResult) => void,
  ) {
    this.#incoming = incoming;
    this.#bytesMax = options.bytesMax;
    this.#budget = options.budget;
    this.#done = done;
    incoming.on('data', this.#onData);
    incoming.on('end', this.#onEnd);
    incoming.on('close', this.#onClose);
  }

  /** Stops reading: the client is gone. */
  cancel(): void {
    this.#finish({ kind: 'aborted' });
  }

  readonly #onData = (chunk: Buffer): void => {
    if (this.#bytes + chunk.length > this.#bytesMax) return this.#finish({ kind: 'too_large' });
    if (!this.#budget.take(chunk.length)) return this.#finish({ kind: 'bodies_full' });
    this.#bytes += chunk.length;
    this.#chunks.push(chunk);
  };

  readonly #onEnd = (): void => {
    const [first] = this.#chunks;
    const body = this.#chunks.length === 1 && first !== undefined ? first : Buffer.concat(this.#chunks);
    this.#finish({ kind: 'complete', body });
  };

  readonly #onClose = (): void => this.#finish({ kind: 'aborted' });

  #finish(result: BodyResult): void {
    // A client may also leave when its body was read long ago; what was held for it is given back by its receiver then.
    if (this.#isFinished) return;
    this.#isFinished = true;
    this.#incoming.off('data', this.#onData);
    this.#incoming.off('end', this.#onEnd);
    this.#incoming.off('close', this.#onClose);
    if (result.kind !== 'complete') this.#budget.release(this.#bytes);
    this.#done(result);
  }
}
