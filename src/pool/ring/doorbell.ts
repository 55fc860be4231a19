import { DOORBELL, DOORBELL_BYTES, DOORBELL_WORD } from '../../protocol/ring.ts';
import { Competition, TURN_SHARE } from '../competition.ts';
import { MainSpinner } from './main-spinner.ts';

/** Something that wakes workers and reads their replies, once per turn of the event loop. */
export interface DoorbellSource {
  /** Wakes workers for what was posted and handles the replies that are there, up to so many. */
  turn(repliesMax: number): void;
  /** Replies are there that `turn` has not seen. */
  readonly hasReplies: boolean;
  /** Requests on which workers may still say something. 0: it can be left out until the next `attend`. */
  readonly handedOut: number;
}

/**
 * Brings the main thread back to its sources when workers have written replies.
 *
 * While requests come in, sources are served once per turn of the event loop by an immediate: one wake-up and one drain
 * for everything a turn brought. Only when the loop is about to block does a worker have to notify: the main thread
 * declares itself asleep in one word, and the first worker to write after that makes it awake again and notifies.
 * One word for the whole process, so that a hundred pools still have one `waitAsync`. While few requests are in flight,
 * the loop goes on turning for a moment before it blocks (see spinning.ts).
 */
export class Doorbell {
  readonly memory = new SharedArrayBuffer(DOORBELL_BYTES);
  readonly #words = new Int32Array(this.memory);
  readonly #spinner = new MainSpinner();
  readonly #competition = new Competition<DoorbellSource>();
  readonly #sources = new Set<DoorbellSource>();
  #immediate: NodeJS.Immediate | null = null;
  #isWaiting = false;

  /** The source has posted something: it is served before the event loop blocks again. */
  attend(source: DoorbellSource): void {
    this.#sources.add(source);
    this.#competition.see(source);
    this.#spinner.begin();
    this.#turnSoon();
  }

  /** The source is gone. */
  forget(source: DoorbellSource): void {
    this.#sources.delete(source);
  }

  #turnSoon(): void {
    Atomics.store(this.#words, DOORBELL_WORD.bell, DOORBELL.awake);
    if (this.#immediate === null) this.#immediate = setImmediate(this.#onImmediate);
    // An unref'd immediate does not keep the loop from blocking before its check phase.
    else this.#immediate.ref();
  }

  readonly #onImmediate = (): void => {
    this.#immediate = null;
    this.#turn();
  };

  readonly #onRing = (): void => {
    this.#isWaiting = false;
    this.#turn();
  };

  #turn(): void {
    let handedOut = 0;
    const repliesMax = this.#competition.isOn(performance.now()) ? TURN_SHARE : Infinity;
    for (const source of this.#sources) {
      source.turn(repliesMax);
      if (source.handedOut === 0) this.#sources.delete(source);
      else handedOut += source.handedOut;
    }
    const goesOn = this.#spinner.goesOn(handedOut);
    Atomics.store(this.#words, DOORBELL_WORD.fewInFlight, this.#spinner.isFew ? 1 : 0);
    if (this.#sources.size === 0) return;
    if (goesOn) this.#turnSoon();
    else this.#sleep();
  }

  /** Lets the event loop block: declared asleep and waiting first, looked again after, so that no reply falls between. */
  #sleep(): void {
    if (this.#immediate === null) {
      this.#immediate = setImmediate(this.#onImmediate);
      this.#immediate.unref();
    }
    Atomics.store(this.#words, DOORBELL_WORD.bell, DOORBELL.asleep);
    if (!this.#isWaiting) this.#wait();
    for (const source of this.#sources) {
      if (source.hasReplies) return this.#turnSoon();
    }
  }

  #wait(): void {
    const wait = Atomics.waitAsync(this.#words, DOORBELL_WORD.bell, DOORBELL.asleep);
    if (!wait.async) return this.#turnSoon();
    this.#isWaiting = true;
    void wait.value.then(this.#onRing);
  }
}
