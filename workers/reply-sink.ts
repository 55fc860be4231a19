import type { MessagePort } from 'node:worker_threads';
import { RECORD, RECORD_HEADER_BYTES } from '../src/protocol/frame.ts';
import {
  DOORBELL,
  LOST_CODES,
  LOST_RECORD_BYTES,
  POOL_RECORD,
  RECORD_ALIGNMENT,
  REPLY_DATA_BYTE,
  REPLY_RECORD_BYTES_MAX,
  REPLY_RING_DATA_BYTES,
  REPLY_WORD,
  type LostCode,
} from '../src/protocol/ring.ts';
import type { WorkerToMain } from '../src/protocol/worker.ts';

/** A worker's side of its reply ring: the only one that writes to it. What does not fit goes over the port. */
export class ReplySink {
  readonly #data: Buffer;
  readonly #words: Int32Array;
  readonly #doorbell: Int32Array;
  readonly #port: MessagePort;
  readonly #own = Buffer.alloc(LOST_RECORD_BYTES);
  #tail = 0;

  constructor(memory: SharedArrayBuffer, doorbell: SharedArrayBuffer, port: MessagePort) {
    this.#data = Buffer.from(memory, REPLY_DATA_BYTE, REPLY_RING_DATA_BYTES);
    this.#words = new Int32Array(memory, 0, REPLY_DATA_BYTE / 4);
    this.#doorbell = new Int32Array(doorbell, 0, 1);
    this.#port = port;
  }

  /** Passes on the record in `source` from `start` to `end`, as the image wrote it. */
  record(source: Buffer, start: number, end: number): void {
    const length = end - start;
    const at = length <= REPLY_RECORD_BYTES_MAX ? this.#reserve(length) : -1;
    if (at === -1) return this.#transfer(source, start, end);
    source.copy(this.#data, at, start, end);
    this.#publish(at, length);
  }

  suspended(request: number): void {
    this.#ownRecord(POOL_RECORD.suspended, request, RECORD_HEADER_BYTES);
  }

  returned(request: number): void {
    this.#ownRecord(POOL_RECORD.returned, request, RECORD_HEADER_BYTES);
  }

  dropped(request: number): void {
    this.#ownRecord(RECORD.dropped, request, RECORD_HEADER_BYTES);
  }

  lost(request: number, code: LostCode): void {
    this.#own.writeUInt32LE(LOST_CODES.indexOf(code), RECORD_HEADER_BYTES);
    this.#ownRecord(POOL_RECORD.lost, request, LOST_RECORD_BYTES);
  }

  #ownRecord(kind: number, request: number, length: number): void {
    this.#own.writeUInt32LE(length, 0);
    this.#own.writeUInt32LE(kind, 4);
    this.#own.writeUInt32LE(request, 8);
    this.record(this.#own, 0, length);
  }

  /** Where a record of this length goes, in one piece; -1: there is no room. */
  #reserve(length: number): number {
    const bytes = align(length);
    const at = this.#tail & (REPLY_RING_DATA_BYTES - 1);
    const untilEnd = REPLY_RING_DATA_BYTES - at;
    const used = (this.#tail - Atomics.load(this.#words, REPLY_WORD.head)) | 0;
    const needed = bytes <= untilEnd ? bytes : untilEnd + bytes;
    if (used + needed > REPLY_RING_DATA_BYTES) return -1;
    if (bytes <= untilEnd) return at;
    this.#data.writeUInt32LE(untilEnd, at);
    this.#data.writeUInt32LE(POOL_RECORD.padding, at + 4);
    this.#tail = (this.#tail + untilEnd) | 0;
    return 0;
  }

  /** Makes the record visible, and wakes the main thread if it sleeps. */
  #publish(at: number, length: number): void {
    // The image's own length may be any number that its record fits in; the ring's reader relies on this one.
    this.#data.writeUInt32LE(length, at);
    this.#tail = (this.#tail + align(length)) | 0;
    Atomics.store(this.#words, REPLY_WORD.tail, this.#tail);
    if (Atomics.load(this.#doorbell, 0) !== DOORBELL.asleep) return;
    if (Atomics.exchange(this.#doorbell, 0, DOORBELL.awake) === DOORBELL.asleep) Atomics.notify(this.#doorbell, 0);
  }

  #transfer(source: Buffer, start: number, end: number): void {
    const record = new ArrayBuffer(end - start);
    source.copy(Buffer.from(record), 0, start, end);
    const message: WorkerToMain = { kind: 'record', record };
    this.#port.postMessage(message, [record]);
  }
}

const align = (length: number): number => (length + RECORD_ALIGNMENT - 1) & ~(RECORD_ALIGNMENT - 1);
