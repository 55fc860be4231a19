import {
  ANNEX_BYTES,
  NOT_ANNEXED,
  OWNER,
  RING_WORD,
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
  slotByte,
  stateWord,
  waitingClaim,
} from '../src/protocol/ring.ts';
import { Spinner } from './spinner.ts';

/** A worker's side of the request ring. See the picture in ring.ts. */
export class RequestSource {
  readonly #words: Int32Array;
  readonly #memory: SharedArrayBuffer;
  /** Views of the slots and annexes, made when first used. */
  readonly #slots: Buffer[] = [];
  readonly #annexes: Buffer[] = [];
  readonly #owner: number;
  readonly #state: number;
  readonly #control: number;
  #controlSeen = 0;
  /** The standing wait of the event loop; it outlives a turn in which something else woke the worker. */
  #isWaiting = false;

  readonly #spinner: Spinner;
  readonly #hasNext = (): boolean => this.#hasWork(true);

  constructor(memory: SharedArrayBuffer, worker: number, doorbell: SharedArrayBuffer) {
    this.#spinner = new Spinner(doorbell);
    this.#memory = memory;
    this.#words = new Int32Array(memory);
    this.#owner = worker + 1;
    this.#state = stateWord(worker);
    this.#control = controlWord(worker);
  }

  /** Claims the next request; its slot, or -1 when none waits. */
  claim(): number {
    const words = this.#words;
    for (;;) {
      const head = Atomics.load(words, RING_WORD.head);
      if (head === Atomics.load(words, RING_WORD.tail)) return -1;
      const order = Atomics.load(words, orderWord(head));
      const slot = lowOf(order);
      const waiting = waitingClaim(order) | OWNER.waiting;
      const isMine = Atomics.compareExchange(words, claimWord(slot), waiting, waiting | this.#owner) === waiting;
      // Also past a revoked request, or one that another worker has claimed and not yet passed.
      Atomics.compareExchange(words, RING_WORD.head, head, (head + 1) | 0);
      if (isMine) return slot;
    }
  }

  /** The frame of a slot this worker has claimed; what follows it in the memory is not its own. */
  frame(slot: number): Buffer {
    const annex = this.#words[annexWord(slot)] ?? NOT_ANNEXED;
    if (annex === NOT_ANNEXED) return (this.#slots[slot] ??= Buffer.from(this.#memory, slotByte(slot), SLOT_BYTES));
    return (this.#annexes[annex] ??= Buffer.from(this.#memory, annexByte(annex), ANNEX_BYTES));
  }

  /** Bytes of the frame in the slot; null: the slot holds a ticket. */
  frameBytes(slot: number): number | null {
    const length = this.#words[lengthWord(slot)] ?? TICKET;
    return length === TICKET ? null : length;
  }

  /** Control messages came since the last call; they are on the port. */
  takeControlSignal(): boolean {
    const count = Atomics.load(this.#words, this.#control);
    if (count === this.#controlSeen) return false;
    this.#controlSeen = count;
    return true;
  }

  /**
   * Blocks the thread until the main thread wakes it, or the time is up. `takesRequests` false: only a control message
   * wakes it.
   */
  block(takesRequests: boolean, timeoutMs = Infinity): void {
    if (takesRequests && this.#spinner.isAllowed && this.#spin()) return;
    const state = this.#park(takesRequests);
    if (state !== null) Atomics.wait(this.#words, this.#state, state, timeoutMs);
    Atomics.store(this.#words, this.#state, WORKER_STATE.running);
  }

  /**
   * Leaves the thread to its event loop until `woken` resolves; when the main thread wakes the worker, `wake` is called.
   * `wake` has to be the same for all calls: the wait armed by one may end during another.
   */
  async leave(takesRequests: boolean, woken: Promise<void>, wake: () => void): Promise<void> {
    const state = this.#park(takesRequests);
    if (state !== null && this.#arm(state, wake)) await woken;
    Atomics.store(this.#words, this.#state, WORKER_STATE.running);
  }

  /** Ends the standing wait, whose memory the thread would keep. */
  close(): void {
    Atomics.notify(this.#words, this.#state);
  }

  #spin(): boolean {
    Atomics.store(this.#words, this.#state, WORKER_STATE.spinning);
    if (!this.#spinner.find(this.#hasNext)) return false;
    Atomics.store(this.#words, this.#state, WORKER_STATE.running);
    return true;
  }

  /** The state to wait in; null: there is something to do. Declared first, looked again after: no wake-up is lost. */
  #park(takesRequests: boolean): number | null {
    const state = takesRequests ? WORKER_STATE.parked : WORKER_STATE.closed;
    Atomics.store(this.#words, this.#state, state);
    return this.#hasWork(takesRequests) ? null : state;
  }

  #hasWork(takesRequests: boolean): boolean {
    if (Atomics.load(this.#words, this.#control) !== this.#controlSeen) return true;
    return takesRequests && Atomics.load(this.#words, RING_WORD.head) !== Atomics.load(this.#words, RING_WORD.tail);
  }

  #arm(state: number, wake: () => void): boolean {
    if (this.#isWaiting) return Atomics.load(this.#words, this.#state) === state;
    const wait = Atomics.waitAsync(this.#words, this.#state, state);
    if (!wait.async) return false;
    this.#isWaiting = true;
    void this.#onWaitEnd(wait.value, wake);
    return true;
  }

  async #onWaitEnd(ended: Promise<string>, wake: () => void): Promise<void> {
    await ended;
    this.#isWaiting = false;
    wake();
  }
}
