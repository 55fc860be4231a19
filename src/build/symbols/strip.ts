/** Takes out of a library what is not loaded with it: debug information, symbol tables, the compiler's remarks. */

const HEADER = {
  sectionsAt: 0x28,
  sectionCount: 0x3c,
  sectionNames: 0x3e,
  segmentsAt: 0x20,
  segmentCount: 0x38,
} as const;
const SECTION = {
  bytes: 64,
  type: 4,
  flags: 8,
  offset: 0x18,
  size: 0x20,
  link: 0x28,
  noBits: 8,
  allocated: 2n,
} as const;
const SEGMENT = { bytes: 56, offset: 8, fileBytes: 32 } as const;

interface Section {
  /** Of its header in the file. */
  readonly at: number;
  readonly isLoaded: boolean;
  readonly start: number;
  /** Of its bytes in the file; `start` when it has none. */
  readonly end: number;
  readonly link: number;
}

/**
 * Gives a library without its unloaded sections. Linkers put these last, so nothing that stays changes its place: what is
 * loaded, and the headers of its sections, are the same bytes. A library that is laid out in any other way comes back as
 * it is, since it only is larger for it. `bytes` is a library that `inspectLibrary` has accepted.
 */
export function stripLibrary(bytes: Buffer): Buffer {
  const sections = headerTable(bytes, HEADER.sectionsAt, HEADER.sectionCount, SECTION.bytes).map((at, index) =>
    readSection(bytes, at, index),
  );
  const names = sections[bytes.readUInt16LE(HEADER.sectionNames)];
  const kept = sections.slice(0, sections.findLastIndex(section => section.isLoaded) + 1);
  if (names === undefined || names.isLoaded || !kept.every(one => one.isLoaded && one.link < kept.length)) return bytes;
  const loadedEnd = endOfLoaded(bytes, kept);
  const isLast = sections.slice(kept.length).every(({ start, end }) => start === end || start >= loadedEnd);
  return isLast && loadedEnd <= bytes.length ? rebuilt(bytes, kept, names, loadedEnd) : bytes;
}

function rebuilt(bytes: Buffer, kept: readonly Section[], names: Section, loadedEnd: number): Buffer {
  const loaded = Buffer.from(bytes.subarray(0, loadedEnd));
  const texts = bytes.subarray(names.start, names.end);
  const padding = Buffer.alloc(-(loadedEnd + texts.length) & 7);
  loaded.writeBigUInt64LE(BigInt(loadedEnd + texts.length + padding.length), HEADER.sectionsAt);
  loaded.writeUInt16LE(kept.length + 1, HEADER.sectionCount);
  loaded.writeUInt16LE(kept.length, HEADER.sectionNames);
  const headers = [...kept, names].map(({ at }) => Buffer.from(bytes.subarray(at, at + SECTION.bytes)));
  headers.at(-1)?.writeBigUInt64LE(BigInt(loadedEnd), SECTION.offset);
  return Buffer.concat([loaded, texts, padding, ...headers]);
}

function headerTable(bytes: Buffer, offsetAt: number, countAt: number, entryBytes: number): number[] {
  const start = Number(bytes.readBigUInt64LE(offsetAt));
  return Array.from({ length: bytes.readUInt16LE(countAt) }, (_, index) => start + index * entryBytes);
}

/** The first header is of no section; it stays. */
function readSection(bytes: Buffer, at: number, index: number): Section {
  const start = Number(bytes.readBigUInt64LE(at + SECTION.offset));
  const isInFile = bytes.readUInt32LE(at + SECTION.type) !== SECTION.noBits;
  const isAllocated = (bytes.readBigUInt64LE(at + SECTION.flags) & SECTION.allocated) !== 0n;
  return {
    at,
    isLoaded: index === 0 || isAllocated,
    start,
    end: start + (isInFile ? Number(bytes.readBigUInt64LE(at + SECTION.size)) : 0),
    link: bytes.readUInt32LE(at + SECTION.link),
  };
}

function endOfLoaded(bytes: Buffer, kept: readonly Section[]): number {
  const segments = headerTable(bytes, HEADER.segmentsAt, HEADER.segmentCount, SEGMENT.bytes);
  const segmentEnds = segments.map(at =>
    Number(bytes.readBigUInt64LE(at + SEGMENT.offset) + bytes.readBigUInt64LE(at + SEGMENT.fileBytes)),
  );
  return Math.max(...kept.map(section => section.end), ...segmentEnds, ...segments.map(at => at + SEGMENT.bytes));
}
