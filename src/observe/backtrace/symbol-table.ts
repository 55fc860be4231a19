/**
 * Reads the table of symbols that `crates/rust-edge-gateway-symbols` makes of a library's debug information; its
 * `src/table.rs` draws the layout. Nothing is decoded before it is asked for, and every number is checked against the
 * table's bounds: any bytes give frames or null.
 */

/** One function a call was in. What is not known is null. */
export interface Frame {
  readonly function: string | null;
  /** Begins at the endpoint's project, `src/lib.rs`, or at a crate: `serde_json-1.0.154/src/de.rs`, `core/src/option.rs`. */
  readonly file: string | null;
  readonly line: number | null;
  /** Offset of the instruction in the library, in hexadecimal; frames inlined into one another share it. */
  readonly offset: string;
}

const MAGIC = 0x424d5953;
const VERSION = 1;
const NONE = 0xffffffff;
const HEADER_BYTES = 24;
const PLACE_BYTES = 16;

export const unknownFrame = (offset: number): Frame => ({
  function: null,
  file: null,
  line: null,
  offset: `0x${offset.toString(16)}`,
});

export class SymbolTable {
  readonly #bytes: Buffer;
  readonly #ranges: number;
  readonly #places: number;
  readonly #texts: number;
  readonly #placesAt: number;
  readonly #endsAt: number;
  readonly #textsAt: number;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.#ranges = bytes.readUInt32LE(8);
    this.#places = bytes.readUInt32LE(12);
    this.#texts = bytes.readUInt32LE(16);
    this.#placesAt = HEADER_BYTES + this.#ranges * 8;
    this.#endsAt = this.#placesAt + this.#places * PLACE_BYTES;
    this.#textsAt = this.#endsAt + this.#texts * 4;
  }

  /** null: this is no such table, or one of another version. */
  static read(bytes: Buffer): SymbolTable | null {
    if (bytes.length < HEADER_BYTES || bytes.readUInt32LE(0) !== MAGIC || bytes.readUInt32LE(4) !== VERSION)
      return null;
    const table = new SymbolTable(bytes);
    return table.#textsAt + bytes.readUInt32LE(20) === bytes.length ? table : null;
  }

  /** The frames of the code at `offset`, innermost first: more than one where functions were inlined, at least one. */
  framesAt(offset: number): readonly Frame[] {
    const frames: Frame[] = [];
    let place = this.#placeAt(offset);
    while (place < this.#places) {
      const at = this.#placesAt + place * PLACE_BYTES;
      const line = this.#bytes.readUInt32LE(at + 8);
      const names = { function: this.#text(at), file: this.#text(at + 4), line: line === 0 ? null : line };
      frames.push({ ...unknownFrame(offset), ...names });
      const caller = this.#bytes.readUInt32LE(at + 12);
      // A caller stands before what it calls, so this ends whatever the bytes say.
      place = caller < place ? caller : NONE;
    }
    return frames.length > 0 ? frames : [unknownFrame(offset)];
  }

  /** Number of the place whose range holds `offset`; NONE when there is none. */
  #placeAt(offset: number): number {
    let low = 0;
    let high = this.#ranges;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if (this.#bytes.readUInt32LE(HEADER_BYTES + middle * 4) <= offset) low = middle + 1;
      else high = middle;
    }
    return low === 0 ? NONE : this.#bytes.readUInt32LE(HEADER_BYTES + (this.#ranges + low - 1) * 4);
  }

  /** The text whose number stands at `at`. */
  #text(at: number): string | null {
    const number = this.#bytes.readUInt32LE(at);
    if (number >= this.#texts) return null;
    const start = number === 0 ? 0 : this.#bytes.readUInt32LE(this.#endsAt + (number - 1) * 4);
    const end = this.#bytes.readUInt32LE(this.#endsAt + number * 4);
    return this.#bytes.toString('utf8', this.#textsAt + start, this.#textsAt + end);
  }
}
