import { REPLY_RING_BYTES, REQUEST_RING_BYTES } from '../../protocol/ring.ts';
import type { RequestRing } from './request-ring.ts';

/** Memory kept of each kind; what comes back beyond is left to the garbage collector. */
const KEPT_MAX = 32;

/**
 * Shared memory of rings that are no longer used, for the next ones. Left to the garbage collector it would pile up:
 * a worker allocates so little that its collector hardly runs, and every view it has keeps a generation's rings.
 */
export class RingMemory {
  readonly #requestRings: SharedArrayBuffer[] = [];
  readonly #replyRings: SharedArrayBuffer[] = [];

  takeRequestRing(): SharedArrayBuffer {
    return this.#requestRings.pop() ?? new SharedArrayBuffer(REQUEST_RING_BYTES);
  }

  takeReplyRing(): SharedArrayBuffer {
    return this.#replyRings.pop() ?? new SharedArrayBuffer(REPLY_RING_BYTES);
  }

  /** Only when no thread can write to it any more. One that is bulky is left to the garbage collector after all. */
  returnRequestRing({ memory, isBulky }: RequestRing): void {
    if (this.#requestRings.length < KEPT_MAX && !isBulky) this.#requestRings.push(memory);
  }

  /** Only when no thread can write to it any more. */
  returnReplyRing(memory: SharedArrayBuffer): void {
    if (this.#replyRings.length < KEPT_MAX) this.#replyRings.push(memory);
  }
}
