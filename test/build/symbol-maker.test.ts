import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Artifacts } from '../../src/build/artifacts.ts';
import { SymbolMaker } from '../../src/build/symbols/symbol-maker.ts';
import { LIMITS } from '../../src/config.ts';
import { eventually } from '../support/eventually.ts';

/** A maker whose program is a shell script, or one that cannot be built. */
function openMaker(script: string | null) {
  const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-symbol-maker-'));
  const programPath = join(folder, 'program');
  writeFileSync(programPath, `#!/bin/sh\n${script}\n`);
  chmodSync(programPath, 0o755);
  const warnings: Record<string, unknown>[] = [];
  const opened = { now: 0, asked: 0, folder, warnings };
  const program = {
    async path() {
      opened.asked += 1;
      if (script === null) throw new Error('no network');
      return programPath;
    },
  };
  const log = { warn: (fields: object) => void warnings.push({ ...fields }) };
  const artifacts = new Artifacts(join(folder, 'artifacts'));
  const maker = new SymbolMaker({ program, artifacts, log, now: () => opened.now });
  const make = (digest: string): void =>
    maker.make({ digest, library: Buffer.from(`library ${digest}`), folders: ['/a', '/b'] });
  return Object.assign(opened, {
    maker,
    make,
    async [Symbol.asyncDispose]() {
      await maker.close();
      rmSync(folder, { recursive: true, force: true });
    },
  });
}

test('the program gets the library and its folders, and what it writes is kept with the artifact', async () => {
  await using opened = openMaker('printf "$* "; /bin/cat');
  opened.make('one');
  opened.make('two');
  assert.equal(String(await opened.maker.table('two')), '/a /b library two');
  assert.equal(String(await opened.maker.table('one')), '/a /b library one');
  assert.deepEqual(readdirSync(join(opened.folder, 'artifacts')).toSorted(), ['one.symbols', 'two.symbols']);
  assert.deepEqual(opened.warnings, []);
});

test('a later build of the same library replaces its symbols', async () => {
  await using opened = openMaker('/bin/cat');
  opened.make('one');
  assert.equal(String(await opened.maker.table('one')), 'library one');
  opened.maker.make({ digest: 'one', library: Buffer.from('moved'), folders: [] });
  assert.equal(String(await opened.maker.table('one')), 'moved');
});

const BROKEN = {
  'ends without reading': 'exit 3',
  'crashes behind its input': '/bin/cat > /dev/null; kill -ABRT $$',
};

for (const [what, script] of Object.entries(BROKEN)) {
  test(`a program that ${what} leaves an artifact without symbols, and a warning`, async () => {
    await using opened = openMaker(script);
    opened.maker.make({ digest: 'one', library: Buffer.alloc(5_000_000), folders: [] });
    assert.equal(await opened.maker.table('one'), null);
    assert.deepEqual([opened.warnings.length, opened.warnings[0]?.['event']], [1, 'symbols_missing']);
  });
}

test('a program that cannot be built is tried again after ten minutes, not for each build', async () => {
  await using opened = openMaker(null);
  for (const digest of ['one', 'two', 'three']) {
    opened.make(digest);
    assert.equal(await opened.maker.table(digest), null);
  }
  assert.deepEqual([opened.asked, opened.warnings.length], [1, 1]);
  opened.now = 600_000;
  opened.make('four');
  await opened.maker.table('four');
  assert.equal(opened.asked, 2);
});

test('libraries that wait do not pile up: past a limit, artifacts go without symbols', async () => {
  await using opened = openMaker(`until [ -e "$1/go" ]; do /bin/sleep 0.01; done; /bin/cat`);
  const waiting = Array.from({ length: LIMITS.symbolsWaitingMax + 5 }, (_, index) => `digest-${index}`);
  for (const digest of waiting) {
    opened.maker.make({ digest, library: Buffer.from(digest), folders: [opened.folder] });
  }
  assert.equal(opened.warnings.length, 5);
  writeFileSync(join(opened.folder, 'go'), '');
  const tables = await Promise.all(waiting.map(digest => opened.maker.table(digest)));
  assert.equal(tables.filter(table => table !== null).length, LIMITS.symbolsWaitingMax);
});

test('closing ends a program that runs, keeps those that wait from starting, and warns of neither', async () => {
  await using opened = openMaker('echo $$ > "$1/pid"; exec /bin/sleep 1000');
  opened.maker.make({ digest: 'one', library: Buffer.alloc(1), folders: [opened.folder] });
  opened.make('two');
  await eventually('the program runs', () => readdirSync(opened.folder).includes('pid'));
  await opened.maker.close();
  opened.make('three');
  assert.deepEqual([opened.asked, opened.warnings], [1, []]);
});
