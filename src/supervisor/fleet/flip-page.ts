import {
  FLIP_PAGE_BYTES,
  FLIP_PLACE_WORDS,
  NO_TICKET,
  mapFlipPage,
  ticketWord,
  versionWord,
} from '../../protocol/flip-page.ts';
import type { EndpointSpec, GenerationSpec } from '../../protocol/control.ts';
import { openSharedMemory } from '../libc.ts';
import type { Change } from './desired-state.ts';

interface Ticket {
  readonly number: number;
  readonly serving: GenerationSpec;
}

const TICKET_MAX = 0x7fff_ffff;

/** The supervisor's side of the flip page: the only one that writes it. An endpoint for which it has no place is told of by messages only. */
export class FlipPage {
  readonly #words: Int32Array;
  readonly #places = new Map<string, number>();
  readonly #freed: number[] = [];
  /** Of what was prepared last, by endpoint. */
  readonly #tickets = new Map<string, Ticket>();
  #lastTicket = NO_TICKET;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** A page behind a descriptor, which gateway processes can be given. @throws SystemCallError */
  static open(): { readonly fd: number; readonly page: FlipPage } {
    const fd = openSharedMemory('flip-page', FLIP_PAGE_BYTES);
    return { fd, page: new FlipPage(mapFlipPage(fd, 'write')) };
  }

  /** The endpoint's place, from now until it is forgotten; null: there is none left. */
  place(id: string): number | null {
    const known = this.#places.get(id);
    if (known !== undefined) return known;
    const place = this.#freed.pop() ?? this.#places.size;
    if (place >= this.#words.length / FLIP_PLACE_WORDS) return null;
    this.#places.set(id, place);
    return place;
  }

  /** The ticket under which processes are to prepare this generation: the same for the same build under the same number. */
  ticket({ id, serving }: EndpointSpec): number {
    if (serving === null) return NO_TICKET;
    const known = this.#tickets.get(id);
    if (known !== undefined && isSame(known.serving, serving)) return known.number;
    this.#lastTicket = this.#lastTicket === TICKET_MAX ? 1 : this.#lastTicket + 1;
    this.#tickets.set(id, { number: this.#lastTicket, serving });
    return this.#lastTicket;
  }

  /** From here on every process that has prepared what the change asks for sends new requests there. */
  turn({ id, version, endpoint }: Change): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    const ticket = this.#tickets.get(id);
    const serving = endpoint?.serving ?? null;
    const isPrepared = ticket !== undefined && serving !== null && isSame(ticket.serving, serving);
    Atomics.store(this.#words, versionWord(place), version);
    Atomics.store(this.#words, ticketWord(place), isPrepared ? ticket.number : NO_TICKET);
  }

  /** The endpoint is deleted, and every process knows: its place may be another one's. */
  forget(id: string): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    this.#places.delete(id);
    this.#tickets.delete(id);
    this.#freed.push(place);
  }
}

const isSame = (a: GenerationSpec, b: GenerationSpec): boolean =>
  a.generation === b.generation && a.artifactPath === b.artifactPath;
