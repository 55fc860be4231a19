import assert from 'node:assert/strict';
import { cpSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { createCompiler } from '../../src/build/create-compiler.ts';
import { readElf } from '../../src/build/elf.ts';
import { answering } from '../support/code.ts';
import { TEST_BUILD_DIR } from '../support/gateway.ts';
import { ROOT } from '../support/source-tree.ts';
import { failureOf, Workshop } from './workshop.ts';

const NO_CARGO = { PATH: '/nowhere', HOME: '/nowhere' };

test('the guard is built once, kept by the digest of its sources, and then needs no cargo', async () => {
  await using workshop = await Workshop.open();
  writeFileSync(join(workshop.dataDir, `guard-${'0'.repeat(64)}.so`), 'of an older version');
  const [path, same] = await Promise.all([workshop.compiler.guardPath(), workshop.compiler.guardPath()]);
  assert.equal(same, path);
  assert.match(path, /\/guard-[0-9a-f]{64}\.so$/);
  assert.deepEqual(readdirSync(workshop.dataDir), [path.slice(workshop.dataDir.length + 1)]);
  assert.equal(statSync(path).mode & 0o777, 0o500);
  assert.ok(readElf(readFileSync(path)).exports.has('guard_bind'));

  await using without = await Workshop.open({ dataDir: workshop.dataDir, environment: NO_CARGO });
  assert.equal(await without.compiler.guardPath(), path);
  assert.equal((await failureOf(without.compile('one', answering('x')))).code, 'toolchain_missing');
});

test('a guard that does not compile says so, and is tried again at the next call', async () => {
  await using workshop = await Workshop.open();
  const cratesDir = join(workshop.folder, 'crates');
  mkdirSync(cratesDir);
  cpSync(join(ROOT, 'crates'), cratesDir, { recursive: true, filter: path => !path.endsWith('/target') });
  const source = join(cratesDir, 'rust-edge-gateway-guard/src/lib.rs');
  const sound = readFileSync(source, 'utf8');
  writeFileSync(source, `${sound}\nfn broken( {\n`);
  const compiler = createCompiler({
    handlersDir: workshop.handlersDir,
    buildDir: TEST_BUILD_DIR,
    dataDir: workshop.dataDir,
    cratesDir,
    concurrency: 1,
    timeoutMs: 300_000,
    findBuild: () => null,
    log: { info: () => undefined, warn: () => undefined },
  });
  const failure = await failureOf(compiler.guardPath());
  assert.equal(failure.code, 'compile_failed');
  assert.match(failure.message, /unclosed delimiter/);
  writeFileSync(source, sound);
  assert.match(await compiler.guardPath(), /guard-/);
  await compiler.close();
});

test('priming compiles what all endpoints share, and never rejects', async () => {
  await using workshop = await Workshop.open();
  await workshop.compiler.prime();
  assert.deepEqual(workshop.warnings, []);
  await workshop.compile('one', answering('x'));
  assert.deepEqual(workshop.crates('one'), ['handler_one']);

  await using without = await Workshop.open({ environment: NO_CARGO });
  await without.compiler.prime();
  assert.equal(without.warnings.length, 1);
});
