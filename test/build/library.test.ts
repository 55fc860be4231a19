import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import { ElfError, readElf } from '../../src/build/elf.ts';
import { inspectLibrary } from '../../src/build/library.ts';
import { ROOT } from '../support/source-tree.ts';

/** Compiles the fixture with further compiler arguments and gives its bytes. */
function library(...flags: string[]): Buffer {
  const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-library-'));
  const output = join(folder, 'library.so');
  const source = join(ROOT, 'test/fixtures/handler-symbols.c');
  try {
    execFileSync('cc', ['-shared', '-fPIC', '-O1', '-Wl,--strip-all', ...flags, '-o', output, source]);
    return readFileSync(output);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const sound = library();

const refused = (bytes: Buffer, message: RegExp): void =>
  assert.throws(() => inspectLibrary(bytes), { code: 'library_refused', message });

test('a library with all symbols is accepted, and its ABI version read from its data', () => {
  assert.equal(inspectLibrary(sound), 7);
});

test('a library without handler_abi is no handler, and the message says what to write', () => {
  refused(library('-Dhandler_abi=other'), /no handler.*#\[handler\] above the function/);
});

test('a missing entry point is named', () => {
  refused(library('-DNO_END'), /exports handler_abi, but not handler_end\./);
});

test('a library with constructors is refused', () => {
  refused(library('-DCONSTRUCTORS'), /runs when it is loaded or unloaded.*"ctor"/);
});

test('a library with a destructor is refused', () => {
  refused(library('-DDESTRUCTOR'), /runs when it is loaded or unloaded/);
});

test('a library without unwind tables is refused', () => {
  refused(library('-nostdlib', '-fno-asynchronous-unwind-tables', '-fno-unwind-tables'), /no unwind tables/);
});

test('what is no shared library for this machine is refused', () => {
  refused(Buffer.alloc(0), /not an ELF file/);
  refused(Buffer.from('#!/bin/sh\n'.repeat(20)), /not an ELF file/);
  const changed = (at: number, value: number): Buffer => {
    const bytes = Buffer.from(sound);
    bytes.writeUInt8(value, at);
    return bytes;
  };
  refused(changed(4, 1), /not 64-bit/);
  refused(changed(0x10, 2), /not a shared library/);
  refused(changed(0x12, 183), /not for x86_64/);
});

/** Any bytes are read or refused: no other error, and no endless reading. */
function readOrRefuse(bytes: Buffer): void {
  try {
    assert.ok(readElf(bytes).initArrayBytes >= 0);
  } catch (error) {
    assert.ok(error instanceof ElfError, String(error));
  }
}

test('a library cut anywhere is read or refused', () => {
  fc.assert(fc.property(fc.nat(sound.length), length => readOrRefuse(sound.subarray(0, length))));
});

test('a library with damaged headers and tables is read or refused', () => {
  const dynamic = sound.length - 4_096;
  const place = fc.oneof(fc.nat(63), fc.nat(1_000), fc.integer({ min: Math.max(0, dynamic), max: sound.length - 1 }));
  const damage = fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(damage, changes => {
      const bytes = Buffer.from(sound);
      for (const [at, value] of changes) bytes.writeUInt8(value, at);
      bytes.writeUInt32LE(0x464c457f, 0);
      readOrRefuse(bytes);
    }),
    { numRuns: 2_000 },
  );
});

test('bytes at random behind a valid beginning are read or refused', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 4_096 }), tail =>
      readOrRefuse(Buffer.concat([sound.subarray(0, 64), tail])),
    ),
  );
});
