import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { SymbolTable, unknownFrame } from '../../src/observe/backtrace/symbol-table.ts';
import { symbolTable } from './symbol-tables.ts';

const BYTES = symbolTable(
  [
    { function: 'handle', file: 'src/lib.rs', line: 7 },
    { function: 'größer', file: 'src/lib.rs', line: 3, caller: 0 },
    { function: 'memcpy', file: null, line: 0 },
  ],
  [
    { start: 0x100, place: 0 },
    { start: 0x110, place: 1 },
    { start: 0x120 },
    { start: 0x200, place: 2 },
    { start: 0x210 },
  ],
);

function read(bytes: Buffer): SymbolTable {
  const table = SymbolTable.read(bytes);
  assert.ok(table !== null);
  return table;
}

test('an offset is found in the range that holds it, with the functions it was inlined into', () => {
  const table = read(BYTES);
  const found = (offset: number): readonly string[] =>
    table.framesAt(offset).map(frame => `${frame.function} ${frame.file} ${frame.line} ${frame.offset}`);
  assert.deepEqual(found(0x100), ['handle src/lib.rs 7 0x100']);
  assert.deepEqual(found(0x10f), ['handle src/lib.rs 7 0x10f']);
  assert.deepEqual(found(0x110), ['größer src/lib.rs 3 0x110', 'handle src/lib.rs 7 0x110']);
  assert.deepEqual(found(0x205), ['memcpy null null 0x205']);
});

test('what lies in no range is an offset and nothing else', () => {
  const table = read(BYTES);
  for (const offset of [0, 0xff, 0x120, 0x1ff, 0x210, Number.MAX_SAFE_INTEGER]) {
    assert.deepEqual(table.framesAt(offset), [unknownFrame(offset)]);
  }
  assert.deepEqual(read(symbolTable([], [])).framesAt(1), [unknownFrame(1)]);
});

test('bytes that are no table, or one of another version or length, are none', () => {
  assert.equal(SymbolTable.read(Buffer.alloc(0)), null);
  assert.equal(SymbolTable.read(BYTES.subarray(0, -1)), null);
  assert.equal(SymbolTable.read(Buffer.concat([BYTES, Buffer.alloc(1)])), null);
  const later = Buffer.from(BYTES);
  later.writeUInt32LE(2, 4);
  assert.equal(SymbolTable.read(later), null);
});

test('whatever its numbers are, a table gives frames, and ends', () => {
  const change = fc.tuple(fc.integer({ min: 8, max: BYTES.length - 1 }), fc.nat(255));
  fc.assert(
    fc.property(fc.array(change, { minLength: 1, maxLength: 40 }), fc.nat(0x300), (changes, offset) => {
      const bytes = Buffer.from(BYTES);
      for (const [at, value] of changes) bytes.writeUInt8(value, at);
      const frames = SymbolTable.read(bytes)?.framesAt(offset) ?? [unknownFrame(offset)];
      assert.ok(frames.length > 0 && frames.length <= 3);
    }),
    { numRuns: 5_000 },
  );
});
