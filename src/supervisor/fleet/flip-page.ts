import {
  FLIP_PAGE_BYTES,
  FLIP_PLACE_WORDS,
  NO_TICKET,
  mapFlipPage,
  ticketWord,
  versionWord,
} from '../../protocol/flip-page.ts';
import type { EndpointSpec, GenerationSpec } from '../../protocol/control.ts';
import { openSharedMemory, sealSharedMemory } from '../libc.ts';
import type { Change } from './desired-state.ts';

interface Ticket {
  readonly number: number;
  readonly artifactPath: string;
}

const TICKET_MAX = 0x7fff_ffff;

/** The supervisor's side of the flip page: the only one that writes it. An endpoint for which it has no place is told of by messages only. */
export class FlipPage {
  readonly #words: Int32Array;
  readonly #places = new Map<string, number>();
  readonly #freed: number[] = [];
  /** Of what was prepared, by endpoint and number: a guess for the next number may be under way beside a deploy. */
  readonly #tickets = new Map<string, Map<number, Ticket>>();
  #lastTicket = NO_TICKET;

  constructor(words: Int32Array) {
    this.#words = words;
  }

  /** A page behind a descriptor, which gateway processes can be given. @throws SystemCallError */
  static open(): { readonly fd: number; readonly page: FlipPage } {
    const fd = openSharedMemory('flip-page', FLIP_PAGE_BYTES);
    const page = new FlipPage(mapFlipPage(fd, 'write'));
    sealSharedMemory(fd);
    return { fd, page };
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
    const { generation, artifactPath } = serving;
    const tickets = this.#tickets.get(id) ?? new Map<number, Ticket>();
    const known = tickets.get(generation);
    if (known?.artifactPath === artifactPath) return known.number;
    this.#lastTicket = this.#lastTicket === TICKET_MAX ? 1 : this.#lastTicket + 1;
    this.#tickets.set(id, tickets.set(generation, { number: this.#lastTicket, artifactPath }));
    return this.#lastTicket;
  }

  /** From here on every process that has prepared what the change asks for sends new requests there. */
  turn({ id, version, endpoint }: Change): void {
    const place = this.#places.get(id);
    if (place === undefined) return;
    const serving = endpoint?.serving ?? null;
    Atomics.store(this.#words, versionWord(place), version);
    Atomics.store(this.#words, ticketWord(place), serving === null ? NO_TICKET : this.#take(id, serving));
  }

  /** The ticket of what is committed now; it and those before it are of no use any more. */
  #take(id: string, { generation, artifactPath }: GenerationSpec): number {
    const tickets = this.#tickets.get(id) ?? new Map<number, Ticket>();
    const ticket = tickets.get(generation);
    for (const number of tickets.keys()) if (number < generation) tickets.delete(number);
    return ticket?.artifactPath === artifactPath ? ticket.number : NO_TICKET;
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
