/** Judges a compiled library before it becomes an artifact: whether it is a handler, and one the guard can contain. */
import { AdminError } from '../errors.ts';
import { ElfError, readElf, type ElfLibrary } from './elf.ts';

const ABI_SYMBOL = 'handler_abi';
const ENTRY_POINTS = [
  'handler_init',
  'handler_entry',
  'handler_resume',
  'handler_cancel',
  'handler_fetch',
  'handler_end',
] as const;

/** Bytes of the function tables every Rust library has: the linker's own, and one of std that keeps the arguments. */
const INIT_ARRAY_BYTES = 16;
const FINI_ARRAY_BYTES = 8;

/**
 * Gives the ABI version of a handler library.
 * @throws AdminError `library_refused`, saying what usually causes it
 */
export function inspectLibrary(bytes: Buffer): number {
  const library = readLibrary(bytes);
  const abi = library.exports.get(ABI_SYMBOL);
  if (abi === undefined) {
    refuse(
      'The code has no handler. Begin it with "use rust_edge_gateway_sdk::prelude::*;" and put #[handler] above the function that answers requests.',
    );
  }
  const missing = ENTRY_POINTS.filter(name => !library.exports.has(name));
  if (missing.length > 0) refuse(`The library exports handler_abi, but not ${missing.join(', ')}.`);
  refuseUncontained(library);
  const version = library.readUInt32(abi.address);
  return version ?? refuse('The library exports handler_abi, but no number is there.');
}

function readLibrary(bytes: Buffer): ElfLibrary {
  try {
    return readElf(bytes);
  } catch (error) {
    if (!(error instanceof ElfError)) throw error;
    return refuse(`The build did not give a library the gateway can load: ${error.message}.`, error);
  }
}

/** Code that runs outside of the guard's calls cannot be contained, nor can a panic without unwind tables. */
function refuseUncontained(library: ElfLibrary): void {
  if (library.initArrayBytes > INIT_ARRAY_BYTES || library.finiArrayBytes > FINI_ARRAY_BYTES) {
    refuse(
      'The library has code of its own that runs when it is loaded or unloaded. Usually a crate such as "ctor" or "inventory", or one that compiles C++, brings it in: leave it out, or the feature of your dependency that needs it.',
    );
  }
  if (library.unwindBytes === 0) {
    refuse(
      'The library has no unwind tables, so a panic could not be caught. Usually a linker flag that strips them, or "-C force-unwind-tables=no" in a Cargo configuration, is the cause.',
    );
  }
}

function refuse(message: string, cause?: unknown): never {
  throw new AdminError('library_refused', message, { cause });
}
