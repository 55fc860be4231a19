import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { readElf } from '../../src/build/elf.ts';
import { stripLibrary } from '../../src/build/symbols/strip.ts';
import { SymbolTable } from '../../src/observe/backtrace/symbol-table.ts';
import { answering } from '../support/code.ts';
import { ROOT } from '../support/source-tree.ts';
import { Workshop } from './workshop.ts';

const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-symbols-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));

function library(): Buffer {
  const output = join(folder, 'library.so');
  const source = join(ROOT, 'test/fixtures/handler-symbols.c');
  execFileSync('cc', ['-shared', '-fPIC', '-g', '-o', output, source]);
  return readFileSync(output);
}

/** Names of the sections, as readelf sees them; it must have nothing to complain about. */
function sectionsOf(bytes: Buffer): readonly string[] {
  const path = join(folder, 'seen.so');
  writeFileSync(path, bytes);
  const text = execFileSync('readelf', ['--sections', '--wide', path], { encoding: 'utf8', stdio: 'pipe' });
  return [...text.matchAll(/^ *\[ *\d+\] (\.\S+)/gm)].map(([, name = '']) => name);
}

const whole = library();
const stripped = stripLibrary(whole);

test('a library is stripped of what is not loaded, and of nothing else', () => {
  const before = sectionsOf(whole);
  const after = sectionsOf(stripped);
  assert.ok(before.includes('.debug_line') && before.includes('.symtab'));
  const loaded = before.slice(0, before.indexOf('.comment'));
  assert.deepEqual(after, [...loaded, '.shstrtab']);
  assert.deepEqual([...readElf(stripped).exports], [...readElf(whole).exports]);
  assert.deepEqual(stripLibrary(stripped), stripped, 'once is enough');
});

test('a library that is laid out otherwise is left as it is', () => {
  const headersAt = Number(whole.readBigUInt64LE(0x28));
  const changed = Buffer.from(whole);
  // The first section of all that are loaded, now one that is not.
  changed.writeBigUInt64LE(0n, headersAt + 64 + 8);
  assert.equal(stripLibrary(changed), changed);
});

test('whatever the headers of sections say, nothing is read from elsewhere', () => {
  const headersAt = Number(whole.readBigUInt64LE(0x28));
  const place = fc.integer({ min: headersAt, max: whole.length - 1 });
  fc.assert(
    fc.property(fc.array(fc.tuple(place, fc.nat(255)), { minLength: 1, maxLength: 8 }), changes => {
      const bytes = Buffer.from(whole);
      for (const [at, value] of changes) bytes.writeUInt8(value, at);
      assert.ok(stripLibrary(bytes).length <= bytes.length + 8 * 64);
    }),
  );
});

test('a build keeps a table of symbols beside a library that has none, and both go together', async () => {
  await using workshop = await Workshop.open();
  const build = await workshop.compile('one', answering('first'));
  const table = SymbolTable.read((await workshop.compiler.symbols(build.digest)) ?? Buffer.alloc(0));
  assert.ok(table !== null);
  const path = (await workshop.compiler.artifactPath(build.digest)) ?? '';
  const artifact = readFileSync(path);
  assert.ok(!sectionsOf(artifact).some(name => name.startsWith('.debug') || name === '.symtab'));
  const entry = readElf(artifact).exports.get('handler_entry');
  const frames = table.framesAt(Number(entry?.address));
  assert.equal(frames.at(-1)?.function, 'handler_entry');
  const { compiler } = workshop;
  await compiler.collectGarbage(new Set([build.digest]));
  assert.notEqual(await compiler.symbols(build.digest), null);
  await compiler.collectGarbage(new Set());
  assert.equal(await compiler.symbols(build.digest), null);
  assert.equal(await compiler.artifactPath(build.digest), null);
  assert.deepEqual(workshop.warnings, []);
});

test('symbols that are damaged are none, with a warning', async () => {
  await using workshop = await Workshop.open();
  const { digest } = await workshop.compile('one', answering('first'));
  await workshop.compiler.symbols(digest);
  const path = join(workshop.dataDir, 'artifacts', `${digest}.symbols`);
  rmSync(path);
  const file = gzipSync(Buffer.alloc(1_000, 'symbols'));
  writeFileSync(path, file.subarray(0, -9));
  assert.equal(await workshop.compiler.symbols(digest), null);
  assert.match(JSON.stringify(workshop.warnings), /symbols_unreadable/);
});

test('a build right before the end waits for no symbols', async () => {
  await using workshop = await Workshop.open();
  const build = await workshop.compile('one', answering('first'));
  await workshop.compiler.close();
  assert.notEqual(await workshop.compiler.artifactPath(build.digest), null);
  assert.deepEqual(workshop.warnings, []);
});
