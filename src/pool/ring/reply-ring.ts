import {
  POOL_RECORD,
  RECORD_ALIGNMENT,
  REPLY_DATA_BYTE,
  REPLY_RING_BYTES,
  REPLY_RING_DATA_BYTES,
  REPLY_WORD,
} from '../../protocol/ring.ts';

/** Called with the memory a record lies in and its offset; what is kept of it has to be copied. */
export type OnRecord = (source: Buffer, offset: number) => void;

/** The main thread's side of a reply ring: the only one that reads from it. */
export class ReplyRing {
  readonly memory: SharedArrayBuffer;
  readonly #data: Buffer;
  readonly #words: Int32Array;
  #head = 0;

  /** `memory` may have been another ring's; it is emptied. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(REPLY_RING_BYTES)) {
    this.memory = memory;
    this.#data = Buffer.from(memory, REPLY_DATA_BYTE, REPLY_RING_DATA_BYTES);
    this.#words = new Int32Array(memory, 0, REPLY_DATA_BYTE / 4);
    this.#words.fill(0);
  }

  get isEmpty(): boolean {
    return Atomics.load(this.#words, REPLY_WORD.tail) === this.#head;
  }

  /** Hands the records that are there to `onRecord`, in order and up to `recordsMax`, and gives their room back. */
  drain(onRecord: OnRecord, recordsMax = Infinity): void {
    const tail = Atomics.load(this.#words, REPLY_WORD.tail);
    for (let left = recordsMax; left > 0 && this.#head !== tail; left -= 1) {
      const offset = this.#head & (REPLY_RING_DATA_BYTES - 1);
      const length = this.#data.readUInt32LE(offset);
      // The head moves first: should `onRecord` throw, the record is not handed out a second time.
      this.#head = (this.#head + align(length)) | 0;
      if (this.#data[offset + 4] !== POOL_RECORD.padding) onRecord(this.#data, offset);
    }
    Atomics.store(this.#words, REPLY_WORD.head, this.#head);
  }
}

const align = (length: number): number => (length + RECORD_ALIGNMENT - 1) & ~(RECORD_ALIGNMENT - 1);
