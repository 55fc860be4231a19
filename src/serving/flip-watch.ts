import { NO_TICKET, ticketWord, versionWord } from '../protocol/flip-page.ts';

export interface FlipTurn {
  readonly ticket: number;
  readonly version: number;
}

/** What the flip page says of one endpoint, looked at before each of its requests. */
export class FlipWatch {
  readonly place: number;
  readonly #words: Int32Array;
  readonly #ticketWord: number;
  #seen = NO_TICKET;

  constructor(words: Int32Array, place: number) {
    this.place = place;
    this.#words = words;
    this.#ticketWord = ticketWord(place);
  }

  /** The ticket has changed since the last `take`. A plain read: what another process wrote is seen with the next request at the latest. */
  get hasTurned(): boolean {
    return this.#words[this.#ticketWord] !== this.#seen;
  }

  take(): FlipTurn {
    this.#seen = Atomics.load(this.#words, this.#ticketWord);
    return { ticket: this.#seen, version: Atomics.load(this.#words, versionWord(this.place)) };
  }
}
