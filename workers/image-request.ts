import { REQUEST_HEADER_BYTES } from '../src/protocol/frame.ts';
import type { StopOperation } from './operations.ts';

/** A request from its first call into an image until its last. */
export class ImageRequest {
  readonly number: number;
  deadlineMs: number;
  hasEnded = false;
  /** Host operations under way, by the number the image gave them; made with the first one. */
  #operations: Map<number, StopOperation> | null = null;
  /** The request's frame, as long as it is valid. */
  #frame: Buffer | null;
  #requestId = '';

  constructor(frame: Buffer) {
    this.#frame = frame;
    this.deadlineMs = frame.readDoubleLE(0);
    this.number = frame.readUInt32LE(8);
  }

  /** As in the frame; read only when somebody asks, which most requests never do. */
  get requestId(): string {
    return this.#frame === null ? this.#requestId : requestIdIn(this.#frame);
  }

  /** The frame's memory will be used for another request. */
  leaveFrame(): void {
    this.#requestId = this.requestId;
    this.#frame = null;
  }

  addOperation(operation: number, stop: StopOperation): void {
    this.#operations ??= new Map();
    this.#operations.set(operation, stop);
  }

  /** The operation is over; false: it was stopped before. */
  endOperation(operation: number): boolean {
    return this.#operations?.delete(operation) ?? false;
  }

  stopOperation(operation: number): void {
    this.#operations?.get(operation)?.();
    this.#operations?.delete(operation);
  }

  /** Nothing is called for this request any more. */
  end(): void {
    this.hasEnded = true;
    if (this.#operations === null) return;
    for (const stop of this.#operations.values()) stop();
    this.#operations = null;
  }
}

/** The picture of a request frame is in frame.ts. */
function requestIdIn(frame: Buffer): string {
  const pairs = 4 * (frame.readUInt16LE(30) + frame.readUInt16LE(32));
  const before = frame.readUInt16LE(24) + frame.readUInt32LE(16) + frame.readUInt32LE(20);
  const start = REQUEST_HEADER_BYTES + pairs + before;
  return frame.latin1Slice(start, start + frame.readUInt16LE(26));
}
