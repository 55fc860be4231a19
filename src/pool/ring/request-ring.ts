import { REQUEST_HEADER_BYTES, requestFrameBytes, writeRequestFrame, type RequestParts } from '../../protocol/frame.ts';
import {
  ANNEXES,
  ANNEX_BYTES,
  NOT_ANNEXED,
  OWNER,
  REQUEST_RING_BYTES,
  RING_CONTROL_BYTES,
  RING_WORD,
  SLOTS,
  SLOT_BYTES,
  TICKET,
  WORKER_STATE,
  annexByte,
  annexWord,
  claimWord,
  controlWord,
  lengthWord,
  lowOf,
  orderWord,
  packWord,
  slotByte,
  stateWord,
} from '../../protocol/ring.ts';

const BULKY_ANNEXES = 4;

/** The main thread's side of a request ring: the only one that writes requests into it. See the picture in ring.ts. */
export class RequestRing {
  readonly memory: SharedArrayBuffer;
  readonly #bytes: Buffer;
  readonly #words: Int32Array;
  readonly #sequences = new Int32Array(SLOTS);
  readonly #free = Int32Array.from({ length: SLOTS }, (_, index) => SLOTS - 1 - index);
  #freeCount = SLOTS;
  readonly #freeAnnexes = Array.from({ length: ANNEXES }, (_, index) => ANNEXES - 1 - index);
  /** Most annexes that were in use at once: so many have memory, and keep it. */
  #annexesTouched = 0;
  /** By slot: the annex its frame is in. */
  readonly #annexed = new Int8Array(SLOTS).fill(NOT_ANNEXED);
  #tail = 0;

  /** `memory` may have been another ring's; it is emptied. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(REQUEST_RING_BYTES)) {
    this.memory = memory;
    this.#bytes = Buffer.from(memory);
    this.#words = new Int32Array(memory);
    this.#bytes.fill(0, 0, RING_CONTROL_BYTES);
  }

  /** Positions no worker has looked at yet; revoked requests among them count until a worker passes them. */
  get unclaimed(): number {
    return (this.#tail - Atomics.load(this.#words, RING_WORD.head)) | 0;
  }

  /** Its memory is not worth keeping for a ring that may never need so much. */
  get isBulky(): boolean {
    return this.#annexesTouched > BULKY_ANNEXES;
  }

  get hasRoom(): boolean {
    return this.#freeCount > 0 && this.unclaimed < SLOTS;
  }

  /** Makes a request visible to the workers; it wakes none of them. Returns its slot; there has to be room. */
  post(parts: RequestParts, request: number, deadlineMs: number): number {
    const slot = this.#takeSlot();
    const bytes = requestFrameBytes(parts);
    const annex = bytes > SLOT_BYTES && bytes <= ANNEX_BYTES ? this.#annex(slot) : NOT_ANNEXED;
    const at = this.#frameByte(slot);
    this.#words[annexWord(slot)] = annex;
    if (bytes <= SLOT_BYTES || annex !== NOT_ANNEXED) {
      this.#words[lengthWord(slot)] = writeRequestFrame(this.#bytes, at, parts, request, deadlineMs);
    } else {
      this.#bytes.writeDoubleLE(deadlineMs, at);
      this.#bytes.writeUInt32LE(request, at + 8);
      this.#words[lengthWord(slot)] = TICKET;
    }
    const sequence = this.#nextSequence(slot);
    // Plain, as the frame is: workers look at neither before they have seen the order word.
    this.#words[claimWord(slot)] = packWord(sequence, OWNER.waiting);
    Atomics.store(this.#words, orderWord(this.#tail), packWord(sequence, slot));
    this.#tail = (this.#tail + 1) | 0;
    Atomics.store(this.#words, RING_WORD.tail, this.#tail);
    return slot;
  }

  /** Takes a request back that no worker has claimed; `release` its slot then. False: a worker has it. */
  revoke(slot: number): boolean {
    const claim = Atomics.load(this.#words, claimWord(slot));
    if (lowOf(claim) !== OWNER.waiting) return false;
    return Atomics.compareExchange(this.#words, claimWord(slot), claim, claim | OWNER.nobody) === claim;
  }

  /** One of OWNER, or index + 1 of the worker that has claimed the slot. */
  ownerOf(slot: number): number {
    return lowOf(Atomics.load(this.#words, claimWord(slot)));
  }

  /** The slot may be used again: its request was revoked, or a worker has taken the frame out of it. */
  release(slot: number): void {
    this.#free[this.#freeCount++] = slot;
    const annex = this.#annexed[slot] ?? NOT_ANNEXED;
    if (annex === NOT_ANNEXED) return;
    this.#annexed[slot] = NOT_ANNEXED;
    this.#freeAnnexes.push(annex);
  }

  /** A new deadline for a request that may still be waiting; a worker that has claimed it may have read the old one. */
  setDeadline(slot: number, deadlineMs: number): void {
    this.#bytes.writeDoubleLE(deadlineMs, this.#frameByte(slot));
  }

  /** Slot at the front of the queue, -1 when all positions were looked at. */
  get oldestSlot(): number {
    const head = Atomics.load(this.#words, RING_WORD.head);
    return head === this.#tail ? -1 : lowOf(Atomics.load(this.#words, orderWord(head)));
  }

  /** A worker is about to start with this index: what a predecessor left behind there is cleared. */
  openWorker(index: number): void {
    Atomics.store(this.#words, stateWord(index), WORKER_STATE.running);
    Atomics.store(this.#words, controlWord(index), 0);
  }

  /** The worker is gone: without this, wake-ups would go to a dead thread. */
  closeWorker(index: number): void {
    Atomics.store(this.#words, stateWord(index), WORKER_STATE.closed);
  }

  state(index: number): number {
    return Atomics.load(this.#words, stateWord(index));
  }

  /** Wakes a worker that waits for requests; false when it does not. */
  wake(index: number): boolean {
    return this.#wakeFrom(index, WORKER_STATE.parked);
  }

  /** Tells a worker that a control message is on its port, wherever it waits. */
  signalControl(index: number): void {
    Atomics.add(this.#words, controlWord(index), 1);
    if (!this.#wakeFrom(index, WORKER_STATE.parked)) this.#wakeFrom(index, WORKER_STATE.closed);
  }

  #wakeFrom(index: number, state: number): boolean {
    const word = stateWord(index);
    if (Atomics.compareExchange(this.#words, word, state, WORKER_STATE.woken) !== state) return false;
    // All waiters of the word: a waitAsync that was left over may stand before the wait that matters.
    Atomics.notify(this.#words, word);
    return true;
  }

  /** Where the slot's frame is, or what there is of it. */
  #frameByte(slot: number): number {
    const annex = this.#annexed[slot] ?? NOT_ANNEXED;
    return annex === NOT_ANNEXED ? slotByte(slot) : annexByte(annex);
  }

  /** Gives the slot an annex until it is released, if there is one. */
  #annex(slot: number): number {
    const annex = this.#freeAnnexes.pop() ?? NOT_ANNEXED;
    this.#annexed[slot] = annex;
    this.#annexesTouched = Math.max(this.#annexesTouched, ANNEXES - this.#freeAnnexes.length);
    return annex;
  }

  #takeSlot(): number {
    this.#freeCount -= 1;
    return this.#free[this.#freeCount] ?? 0;
  }

  #nextSequence(slot: number): number {
    const sequence = ((this.#sequences[slot] ?? 0) + 1) & 0xff_ffff;
    this.#sequences[slot] = sequence;
    return sequence;
  }
}

/** The whole frame of a request that does not fit into a slot, in memory of its own that can be transferred. */
export function standaloneFrame(parts: RequestParts, request: number, deadlineMs: number): ArrayBuffer {
  const frame = new ArrayBuffer(Math.max(requestFrameBytes(parts), REQUEST_HEADER_BYTES));
  writeRequestFrame(Buffer.from(frame), 0, parts, request, deadlineMs);
  return frame;
}
