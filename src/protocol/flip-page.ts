/**
 * The flip page: memory that the supervisor writes and the gateway processes read, so that all of them send new requests
 * of an endpoint to another generation at the same instant, and none has to get to a message first.
 *
 *     place of an endpoint:   u32 version of the commit │ i32 ticket of the generation that new requests go to
 *
 * A ticket stands for one build under one number, and is told with `prepare`; 0, or one that a process has not prepared,
 * tells it nothing: it waits for the commit. That follows in any case, and brings all else that has changed. The version is
 * written first, so who reads a ticket reads its version or a later one.
 */
import koffi from 'koffi';

export const FLIP_PLACES = 65_536;
export const FLIP_PLACE_WORDS = 2;
export const FLIP_PAGE_BYTES = FLIP_PLACES * FLIP_PLACE_WORDS * Int32Array.BYTES_PER_ELEMENT;

/** Descriptor of the page in a gateway process. */
export const FLIP_PAGE_DESCRIPTOR = 6;

export const NO_TICKET = 0;

export const versionWord = (place: number): number => place * FLIP_PLACE_WORDS;
export const ticketWord = (place: number): number => place * FLIP_PLACE_WORDS + 1;

const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FAILED = -1n;

/** Maps the page behind a descriptor, for good; the descriptor is not needed any more. */
export function mapFlipPage(fd: number, access: 'read' | 'write'): Int32Array {
  const mmap = koffi
    .load('libc.so.6')
    .func('void* mmap(void* address, size_t length, int protection, int flags, int fd, int64_t offset)') as Mmap;
  const protection = access === 'write' ? PROT_READ | PROT_WRITE : PROT_READ;
  const address = mmap(null, FLIP_PAGE_BYTES, protection, MAP_SHARED, fd, 0);
  if (BigInt.asIntN(64, address) === MAP_FAILED) throw new Error(`The flip page cannot be mapped (${koffi.errno()}).`);
  return new Int32Array(koffi.view(address, FLIP_PAGE_BYTES));
}

type Mmap = (address: null, length: number, protection: number, flags: number, fd: number, offset: number) => bigint;
