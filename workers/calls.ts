import { monotonicNowMs } from '../src/protocol/clock.ts';
import {
  RECORD,
  RECORD_BYTES_MIN,
  RECORD_HEADER_BYTES,
  RESUME_HEADER_BYTES,
  writeCancelFrame,
  writeResumeFrame,
  type CancelReason,
} from '../src/protocol/frame.ts';
import { ENTRY, faultOf, type Fault } from '../src/protocol/guard.ts';
import type { LostCode } from '../src/protocol/ring.ts';
import type { ThreadGuard } from './guard.ts';
import { ImageRequest } from './image-request.ts';
import type { Image } from './image.ts';
import type { Images } from './images.ts';
import type { LogBatch } from './log-batch.ts';
import { startOperation } from './operations.ts';
import type { ReplySink } from './reply-sink.ts';
import type { TrimSchedule } from './trim-schedule.ts';

/** A host operation's result, to be given to the request that waits for it. */
export interface OperationResult {
  readonly image: Image;
  readonly request: ImageRequest;
  readonly operation: number;
  readonly status: number;
  readonly payload: Uint8Array | null;
}

export interface CallsOptions {
  readonly guard: ThreadGuard;
  readonly images: Images;
  readonly sink: ReplySink;
  readonly logs: LogBatch;
  readonly trims: TrimSchedule;
  /** `request` null: it was not while one was served. */
  onFault(request: ImageRequest | null, fault: Fault): void;
  onResult(result: OperationResult): void;
}

/** A thread that has to wait for a processor would have no time left at all. */
const LIMIT_MS_MIN = 5;
/**
 * Dropping a request runs its destructors, and polls those that waited for what it held: its own deadline, which has
 * often passed by then, must not cost the others their image.
 */
const CANCEL_LIMIT_MS = 1_000;
const LIMIT_MS_MAX = 0xffff_ffff;
const INPUT_BYTES = 64;

/** The image has written something that is no output: its memory must be damaged, or its author has not read the ABI. */
const INVALID_OUTPUT = faultOf('invalid_output');

/** Calls the entry points of images and does what their output says. */
export class Calls {
  readonly #options: CallsOptions;
  #input = Buffer.alloc(INPUT_BYTES);

  constructor(options: CallsOptions) {
    this.#options = options;
  }

  /** Starts the request whose frame this is. */
  start(image: Image, frame: Buffer, frameBytes: number): void {
    const request = new ImageRequest(frame);
    // The main thread is about to answer for it, or already has.
    if (request.deadlineMs <= monotonicNowMs()) this.#options.sink.lost(request.number, 'handler_timeout');
    else this.#call(image, ENTRY.entry, frame, frameBytes, request, limitMs(request.deadlineMs));
  }

  /** Gives a result to the request, unless it has gone or lost interest. */
  resume({ image, request, operation, status, payload }: OperationResult): void {
    if (request.hasEnded || !request.endOperation(operation)) return;
    const bytes = RESUME_HEADER_BYTES + (payload?.length ?? 0);
    if (bytes > this.#input.length) this.#input = Buffer.alloc(bytes);
    writeResumeFrame(this.#input, request.number, operation, status, payload);
    this.#call(image, ENTRY.resume, this.#input, bytes, request, limitMs(request.deadlineMs));
  }

  /** Drops a suspended request. */
  cancel(image: Image, request: ImageRequest, reason: CancelReason): void {
    const bytes = writeCancelFrame(this.#input, request.number, reason);
    this.#call(image, ENTRY.cancel, this.#input, bytes, request, CANCEL_LIMIT_MS);
    if (request.hasEnded) return;
    // An image has to say `dropped`; whatever this one says, nothing of the request is called again.
    this.#end(image, request);
    this.#options.sink.dropped(request.number);
    this.#options.images.endIfFinished(image);
  }

  /** Has the image give memory back; one that faults at it has damaged its heap. */
  trim(image: Image): void {
    if (image.trim() === null) this.#onFault(image, null, this.#options.guard.fault);
  }

  #call(image: Image, entry: number, input: Buffer, inputBytes: number, request: ImageRequest, mostMs: number): void {
    const { guard, logs, trims } = this.#options;
    trims.noteCall();
    let length = image.call(entry, input, inputBytes, mostMs);
    if (guard.hasLog) logs.add(guard.takeLog(), request.requestId);
    if (length !== null && length < 0) length = image.fetch(-length);
    if (length === null) return this.#onFault(image, request, guard.fault);
    const seen = this.#readOutput(image, length, request);
    if (seen === 'invalid') return this.#onFault(image, request, INVALID_OUTPUT);
    if (!request.hasEnded) this.#suspend(image, request);
    if (seen === 'panic') this.#options.images.taint(image, 'panic');
    this.#options.images.endIfFinished(image);
  }

  #suspend(image: Image, request: ImageRequest): void {
    if (image.suspended.has(request.number)) return;
    request.leaveFrame();
    image.suspended.set(request.number, request);
    this.#options.sink.suspended(request.number);
  }

  /** Does what the records say. `panic`: one of them told of a panic; `invalid`: no image that is sound writes such. */
  #readOutput(image: Image, length: number, called: ImageRequest): 'sound' | 'panic' | 'invalid' {
    const { output } = image;
    let seen: 'sound' | 'panic' = 'sound';
    for (let at = 0; at !== length;) {
      const end = recordEnd(output, at, length);
      if (end === -1) return 'invalid';
      const number = output.readUInt32LE(at + 8);
      const request = number === called.number ? called : image.suspended.get(number);
      if (request !== undefined && !request.hasEnded) {
        if (output[at + 4] === RECORD.panic) seen = 'panic';
        this.#readRecord(image, request, at, end);
      }
      at = end;
    }
    return seen;
  }

  #readRecord(image: Image, request: ImageRequest, at: number, end: number): void {
    const { output } = image;
    switch (output[at + 4]) {
      case RECORD.operation:
        return this.#startOperation(image, request, output.subarray(at, end));
      case RECORD.operationCancel:
        return request.stopOperation(output.readUInt32LE(at + 12));
      case RECORD.reply:
      case RECORD.panic:
      case RECORD.dropped:
        this.#end(image, request);
        if (output[at + 4] === RECORD.reply) this.#options.images.answered();
        return this.#options.sink.record(output, at, end);
      default:
        // Not a kind this version knows: the request stays suspended, and its deadline ends it.
        return;
    }
  }

  #startOperation(image: Image, request: ImageRequest, record: Buffer): void {
    const operation = record.readUInt32LE(12);
    const stop = startOperation(record.readUInt32LE(16), record.subarray(24), (status, payload) =>
      this.#options.onResult({ image, request, operation, status, payload }),
    );
    request.addOperation(operation, stop);
  }

  #end(image: Image, request: ImageRequest): void {
    request.end();
    image.suspended.delete(request.number);
  }

  /** The image is gone at once, and with it every request suspended in it. */
  #onFault(image: Image, request: ImageRequest | null, fault: Fault): void {
    const { images, sink } = this.#options;
    const lost = new Set(image.suspended.keys());
    if (request !== null) {
      lost.add(request.number);
      request.end();
      // With its record the slot is free, and the frame in it another one's.
      request.leaveFrame();
    }
    images.throwAway(image, fault.kind);
    for (const number of lost) sink.lost(number, lostCode(fault));
    this.#options.onFault(request, fault);
  }
}

/** Where the record at `at` ends; -1: it is too short for its kind, or longer than the output. */
function recordEnd(output: Buffer, at: number, length: number): number {
  if (length > output.length || at + RECORD_HEADER_BYTES > length) return -1;
  const bytes = output.readUInt32LE(at);
  const isWhole = bytes >= (RECORD_BYTES_MIN[output[at + 4] ?? 0] ?? RECORD_HEADER_BYTES) && at + bytes <= length;
  return isWhole ? at + bytes : -1;
}

function lostCode({ kind }: Fault): LostCode {
  if (kind === 'interrupted') return 'handler_timeout';
  return kind === 'out_of_memory' ? 'handler_memory_exceeded' : 'handler_crashed';
}

function limitMs(deadlineMs: number): number {
  const left = Math.ceil(deadlineMs - monotonicNowMs());
  return Math.min(Math.max(left, LIMIT_MS_MIN), LIMIT_MS_MAX);
}
