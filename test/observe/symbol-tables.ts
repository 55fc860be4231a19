/** Writes tables of symbols, as `crates/rust-edge-gateway-symbols/src/table.rs` draws them. */

const NONE = 0xffffffff;

export interface TestPlace {
  readonly function: string | null;
  readonly file: string | null;
  readonly line: number;
  /** Index of the place this one was inlined into. */
  readonly caller?: number;
}

export interface TestRange {
  readonly start: number;
  /** Index of a place; left out: nothing is known. */
  readonly place?: number;
}

export function symbolTable(places: readonly TestPlace[], ranges: readonly TestRange[]): Buffer {
  const texts = [...new Set(places.flatMap(place => [place.function, place.file]))].filter(text => text !== null);
  const number = (text: string | null): number => (text === null ? NONE : texts.indexOf(text));
  let length = 0;
  const ends = texts.map(text => (length += Buffer.byteLength(text)));
  const words = [
    ...[0x424d5953, 1, ranges.length, places.length, texts.length, length],
    ...ranges.map(range => range.start),
    ...ranges.map(range => range.place ?? NONE),
    ...places.flatMap(place => [number(place.function), number(place.file), place.line, place.caller ?? NONE]),
    ...ends,
  ];
  const bytes = Buffer.alloc(words.length * 4);
  words.forEach((word, index) => bytes.writeUInt32LE(word, index * 4));
  return Buffer.concat([bytes, Buffer.from(texts.join(''))]);
}
