/**
 * A reader of shared libraries (ELF, 64-bit, little-endian, x86_64), as far as the gateway needs to judge one before it
 * loads it. Every offset is checked against the file's length: any bytes give an answer or an `ElfError`.
 */

export interface ElfSymbol {
  readonly name: string;
  /** Address in the loaded library, before relocation. */
  readonly address: bigint;
}

export interface ElfLibrary {
  /** Symbols the library defines and exports. */
  readonly exports: ReadonlyMap<string, ElfSymbol>;
  /** Bytes of the tables of functions that run at loading and unloading. */
  readonly initArrayBytes: number;
  readonly finiArrayBytes: number;
  /** Bytes of the unwind tables; 0: there are none. */
  readonly unwindBytes: number;
  /** A u32 of the file's data, by its address in the loaded library; null when it is not in the file. */
  readUInt32(address: bigint): number | null;
}

export class ElfError extends Error {
  override readonly name = 'ElfError';
}

const MAGIC = 0x464c457f;
const CLASS_64_LITTLE_ENDIAN = 0x0102;
const TYPE_SHARED = 3;
const MACHINE_X86_64 = 62;
const SECTION = { headerBytes: 64, dynamic: 6, noBits: 8, dynamicSymbols: 11 } as const;
const SEGMENT = { headerBytes: 56, load: 1 } as const;
const DYNAMIC = { entryBytes: 16, initArraySize: 27n, finiArraySize: 28n } as const;
const SYMBOL = { bytes: 24, bindLocal: 0, undefinedSection: 0 } as const;

interface Section {
  readonly nameOffset: number;
  readonly type: number;
  readonly offset: number;
  readonly size: number;
  readonly link: number;
}

interface Segment {
  readonly type: number;
  readonly offset: bigint;
  readonly address: bigint;
  readonly fileBytes: bigint;
}

/** @throws ElfError when `bytes` are no such library */
export function readElf(bytes: Buffer): ElfLibrary {
  try {
    return read(bytes);
  } catch (error) {
    // What Buffer throws for an offset outside of it.
    if (!(error instanceof RangeError)) throw error;
    throw new ElfError('its tables point outside of the file', { cause: error });
  }
}

function read(bytes: Buffer): ElfLibrary {
  checkHeader(bytes);
  const sections = table(bytes, 0x28, 0x3c, SECTION.headerBytes).map(offset => readSection(bytes, offset));
  const segments = table(bytes, 0x20, 0x38, SEGMENT.headerBytes).map(offset => readSegment(bytes, offset));
  const names = sections[bytes.readUInt16LE(0x3e)];
  const unwind = sections.find(
    one => one.type !== SECTION.noBits && names !== undefined && text(bytes, names, one.nameOffset) === '.eh_frame',
  );
  const dynamic = readDynamic(bytes, sections);
  return {
    exports: readExports(bytes, sections),
    initArrayBytes: Number(dynamic.get(DYNAMIC.initArraySize) ?? 0n),
    finiArrayBytes: Number(dynamic.get(DYNAMIC.finiArraySize) ?? 0n),
    unwindBytes: unwind?.size ?? 0,
    readUInt32: address => readUInt32(bytes, segments, address),
  };
}

function checkHeader(bytes: Buffer): void {
  if (bytes.length < 64 || bytes.readUInt32LE(0) !== MAGIC) throw new ElfError('it is not an ELF file');
  if (bytes.readUInt16LE(4) !== CLASS_64_LITTLE_ENDIAN) throw new ElfError('it is not 64-bit and little-endian');
  if (bytes.readUInt16LE(0x10) !== TYPE_SHARED) throw new ElfError('it is not a shared library');
  if (bytes.readUInt16LE(0x12) !== MACHINE_X86_64) throw new ElfError('it is not for x86_64');
}

/** Offsets of the entries of a header table; the file's header holds its offset, and entry size and count side by side. */
function table(bytes: Buffer, offsetAt: number, countAt: number, entryBytes: number): number[] {
  const start = readOffset(bytes, offsetAt);
  const count = bytes.readUInt16LE(countAt);
  if (count > 0 && bytes.readUInt16LE(countAt - 2) !== entryBytes) throw new ElfError('its header table is unknown');
  return Array.from({ length: count }, (_, index) => start + index * entryBytes);
}

const readSection = (bytes: Buffer, at: number): Section => ({
  nameOffset: bytes.readUInt32LE(at),
  type: bytes.readUInt32LE(at + 4),
  offset: readOffset(bytes, at + 0x18),
  size: readOffset(bytes, at + 0x20),
  link: bytes.readUInt32LE(at + 0x28),
});

const readSegment = (bytes: Buffer, at: number): Segment => ({
  type: bytes.readUInt32LE(at),
  offset: bytes.readBigUInt64LE(at + 8),
  address: bytes.readBigUInt64LE(at + 16),
  fileBytes: bytes.readBigUInt64LE(at + 32),
});

/** Starts of the entries of a section that is a table. */
function entries(bytes: Buffer, section: Section | undefined, entryBytes: number): number[] {
  if (section === undefined) return [];
  if (section.offset + section.size > bytes.length) throw new ElfError('a section is larger than the file');
  return Array.from(
    { length: Math.floor(section.size / entryBytes) },
    (_, index) => section.offset + index * entryBytes,
  );
}

function readDynamic(bytes: Buffer, sections: readonly Section[]): ReadonlyMap<bigint, bigint> {
  const section = sections.find(one => one.type === SECTION.dynamic);
  return new Map(
    entries(bytes, section, DYNAMIC.entryBytes).map(at => [bytes.readBigUInt64LE(at), bytes.readBigUInt64LE(at + 8)]),
  );
}

function readExports(bytes: Buffer, sections: readonly Section[]): ReadonlyMap<string, ElfSymbol> {
  const section = sections.find(one => one.type === SECTION.dynamicSymbols);
  const strings = section === undefined ? undefined : sections[section.link];
  const exports = new Map<string, ElfSymbol>();
  if (strings === undefined) return exports;
  for (const at of entries(bytes, section, SYMBOL.bytes)) {
    const isExport =
      bytes.readUInt8(at + 4) >> 4 !== SYMBOL.bindLocal && bytes.readUInt16LE(at + 6) !== SYMBOL.undefinedSection;
    const name = isExport ? text(bytes, strings, bytes.readUInt32LE(at)) : '';
    if (name !== '') exports.set(name, { name, address: bytes.readBigUInt64LE(at + 8) });
  }
  return exports;
}

function text(bytes: Buffer, strings: Section, offset: number): string {
  const start = strings.offset + offset;
  const end = bytes.indexOf(0, start);
  return end === -1 || start >= bytes.length ? '' : bytes.toString('latin1', start, end);
}

function readOffset(bytes: Buffer, at: number): number {
  const value = bytes.readBigUInt64LE(at);
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw new ElfError('an offset in it is impossible');
  return Number(value);
}

function readUInt32(bytes: Buffer, segments: readonly Segment[], address: bigint): number | null {
  const segment = segments.find(
    one => one.type === SEGMENT.load && address >= one.address && address + 4n <= one.address + one.fileBytes,
  );
  if (segment === undefined) return null;
  const at = Number(segment.offset + (address - segment.address));
  return at + 4 <= bytes.length ? bytes.readUInt32LE(at) : null;
}
