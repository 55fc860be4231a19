import { OWNER } from '../../protocol/ring.ts';
import type { PoolRequest } from './pool-request.ts';
import { RequestQueue } from './request-queue.ts';
import type { RequestRing } from '../ring/request-ring.ts';

/** Moves requests between the queue, the ring and the workers. The picture of a request's stages is in pool-request.ts. */
export class Dispatch {
  readonly #ring: RequestRing;
  /** Requests that wait for room in the ring, or for an image, in order. */
  readonly #queue = new RequestQueue();
  /** Requests in the ring, by slot. */
  readonly #posted: (PoolRequest | null)[] = [];
  #postedCount = 0;
  #startedCount = 0;
  /** Most requests posted and started at once. */
  handedOutMax: number;
  /** Nothing is posted while there is no image to take it. */
  isOpen = false;

  constructor(ring: RequestRing, handedOutMax: number) {
    this.#ring = ring;
    this.handedOutMax = handedOutMax;
  }

  /** Requests posted and started: those a worker may still say something about. */
  get handedOut(): number {
    return this.#postedCount + this.#startedCount;
  }

  /** Requests that may still be handed out. */
  get room(): number {
    return this.isOpen ? Math.max(0, this.handedOutMax - this.handedOut) : 0;
  }

  /** At least as many as `waiting`, without looking at the ring. */
  get waitingBound(): number {
    return this.#queue.size + this.#postedCount;
  }

  /** Requests not started: in the queue, or in the ring and not claimed. */
  get waiting(): number {
    let waiting = this.#queue.size;
    for (const request of this.#posted) {
      if (request !== null && this.#ring.ownerOf(request.slot) === OWNER.waiting) waiting += 1;
    }
    return waiting;
  }

  /** The request at the front of the ring. */
  get oldestPosted(): PoolRequest | null {
    return this.#posted[this.#ring.oldestSlot] ?? null;
  }

  posted(): Iterable<PoolRequest | null> {
    return this.#posted;
  }

  /** Posts the request, or lets it wait for its turn. True: it was posted. */
  enter(request: PoolRequest): boolean {
    if (this.#queue.size === 0 && this.#canPost) {
      this.#post(request);
      return true;
    }
    this.#queue.add(request);
    return false;
  }

  /** Posts what can be posted by now. True: something was. */
  pump(): boolean {
    if (this.#queue.size === 0 || !this.#canPost) return false;
    for (let request = this.#queue.first; request !== null && this.#canPost; request = this.#queue.first) {
      this.#queue.delete(request);
      this.#post(request);
    }
    return true;
  }

  /** The worker has taken the frame, and keeps the request. */
  start(request: PoolRequest, worker: number): void {
    if (request.stage === 'posted') this.#ring.release(request.slot);
    this.strand(request, worker);
  }

  /** As `start`, for a worker that is lost: it may read the frame at any time, so nothing else ever comes into the slot. */
  strand(request: PoolRequest, worker: number): void {
    if (request.stage !== 'posted') return;
    this.#forgetSlot(request);
    request.stage = 'started';
    request.worker = worker;
    this.#startedCount += 1;
  }

  /** The worker could not start the request: it waits again. */
  requeue(request: PoolRequest): void {
    this.leave(request);
    request.stage = 'queued';
    this.#queue.add(request);
  }

  /** Gives back what the request's stage has taken. */
  leave(request: PoolRequest): void {
    if (request.stage === 'queued') this.#queue.delete(request);
    else if (request.stage === 'posted') this.#freeSlot(request);
    else if (request.stage === 'started') this.#startedCount -= 1;
  }

  /** Takes a request back that no worker has; it is in no one's hands then. False: `workerOf` has it. */
  takeBack(request: PoolRequest): boolean {
    if (request.stage === 'started') return false;
    if (request.stage === 'posted') {
      if (!this.#ring.revoke(request.slot)) return false;
      this.#freeSlot(request);
      request.stage = 'queued';
    }
    return true;
  }

  /** Index of the worker that has the request, -1: none has. */
  workerOf(request: PoolRequest): number {
    if (request.stage === 'started') return request.worker;
    return request.stage === 'posted' ? this.#ring.ownerOf(request.slot) - 1 : -1;
  }

  get #canPost(): boolean {
    return this.room > 0 && this.#ring.hasRoom;
  }

  #post(request: PoolRequest): void {
    const slot = this.#ring.post(request.parts, request.number, request.deadlineMs);
    request.stage = 'posted';
    request.slot = slot;
    while (this.#posted.length <= slot) this.#posted.push(null);
    this.#posted[slot] = request;
    this.#postedCount += 1;
  }

  #freeSlot(request: PoolRequest): void {
    this.#ring.release(request.slot);
    this.#forgetSlot(request);
  }

  #forgetSlot(request: PoolRequest): void {
    this.#posted[request.slot] = null;
    this.#postedCount -= 1;
  }
}
