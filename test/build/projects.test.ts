import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { Projects } from '../../src/build/project.ts';
import { answering } from '../support/code.ts';
import { TEST_BUILD_DIR } from '../support/gateway.ts';
import { ROOT } from '../support/source-tree.ts';
import { failureOf, Workshop } from './workshop.ts';

test('the project folder is laid out as documented, and cargo build --release works in it by hand', async () => {
  await using workshop = await Workshop.open();
  await workshop.compile('greet-me', answering('x'));
  const folder = join(workshop.handlersDir, 'greet-me');
  for (const path of ['Cargo.toml', 'Cargo.lock', 'src/lib.rs', 'target/release/libhandler_greet_me.so']) {
    assert.ok(existsSync(join(folder, path)), path);
  }
  assert.equal(readFileSync(join(folder, 'src/lib.rs'), 'utf8'), answering('x'));
  writeFileSync(join(folder, 'src/lib.rs'), answering('by hand'));
  const env = { ...process.env };
  delete env['CARGO_TARGET_DIR'];
  execFileSync('cargo', ['build', '--release', '--offline', '--quiet'], { cwd: folder, env });
  const library = readFileSync(join(folder, 'target/release/libhandler_greet_me.so'));
  assert.ok(library.includes('by hand'));
  assert.ok(!readdirSync(join(folder, 'target/release')).includes('deps'), 'dependencies are shared');
});

test('a compile after a build by hand is of the saved code', async () => {
  await using workshop = await Workshop.open();
  const first = await workshop.compile('one', answering('saved'));
  const source = join(workshop.handlersDir, 'one/src/lib.rs');
  writeFileSync(source, answering('other'));
  workshop.records.length = 0;
  assert.equal((await workshop.compile('one', answering('saved'))).digest, first.digest);
});

test('a source file that comes back with an older time is compiled again', async () => {
  await using workshop = await Workshop.open();
  const first = await workshop.compile('one', answering('first'));
  const second = await workshop.compile('one', answering('second'));
  const source = join(workshop.handlersDir, 'one/src/lib.rs');
  writeFileSync(source, answering('first'));
  utimesSync(source, 1_000_000_000, 1_000_000_000);
  workshop.records.length = 0;
  const again = await workshop.compile('one', answering('first'));
  assert.equal(again.digest, first.digest);
  assert.notEqual(again.digest, second.digest);
});

async function openProjects(handlersDir: string): Promise<Projects> {
  return Projects.open({
    handlersDir,
    cratesDir: join(ROOT, 'crates'),
    buildDirs: [join(TEST_BUILD_DIR, 'handlers')],
  });
}

test('files that are as they should be are not written again', async () => {
  await using workshop = await Workshop.open();
  const projects = await openProjects(workshop.handlersDir);
  const input = { endpointId: 'one', code: 'fn x() {}', dependencies: {} };
  const { folder } = await projects.write(input);
  const times = () => ['Cargo.toml', 'Cargo.lock', 'src/lib.rs'].map(name => statSync(join(folder, name)).mtimeMs);
  const inodes = () => ['Cargo.toml', 'Cargo.lock', 'src/lib.rs'].map(name => statSync(join(folder, name)).ino);
  const before = [times(), inodes()];
  await projects.write(input);
  assert.deepEqual([times(), inodes()], before);
  await projects.write({ ...input, code: 'fn y() {}' });
  assert.equal(readFileSync(join(folder, 'src/lib.rs'), 'utf8'), 'fn y() {}');
});

test('an id that would lead out of the folder makes no path', async () => {
  await using workshop = await Workshop.open();
  const projects = await openProjects(workshop.handlersDir);
  for (const endpointId of ['..', '../x', 'a/b', '/etc', '.', '', 'A', '-a', 'a\0b', 'x'.repeat(64)]) {
    assert.throws(() => projects.describe({ endpointId, dependencies: {} }), { code: 'validation_failed' });
    assert.equal((await failureOf(projects.remove(endpointId))).code, 'validation_failed');
  }
});

test('in a folder elsewhere the manifest names the SDK by its absolute path, in the repository by the documented one', async () => {
  await using workshop = await Workshop.open();
  const elsewhere = await openProjects(workshop.handlersDir);
  const { manifest } = elsewhere.describe({ endpointId: 'one', dependencies: {} });
  assert.ok(manifest.includes(`{ path = "${join(ROOT, 'crates/rust-edge-gateway-sdk')}" }`));
  // A copy of the repository's layout: the real one's handlers folder is not a test's to write in.
  const cratesDir = join(workshop.folder, 'crates');
  mkdirSync(cratesDir);
  const inside = await Projects.open({ handlersDir: workshop.handlersDir, cratesDir, buildDirs: [TEST_BUILD_DIR] });
  const documented = inside.describe({ endpointId: 'one', dependencies: {} }).manifest;
  assert.ok(documented.includes('{ path = "../../crates/rust-edge-gateway-sdk" }'));
});

test("a Cargo configuration somebody wrote in HANDLERS_DIR is left alone, the gateway's own is kept up to date", async () => {
  await using workshop = await Workshop.open();
  await openProjects(workshop.handlersDir);
  const path = join(workshop.handlersDir, '.cargo/config.toml');
  const written = readFileSync(path, 'utf8');
  assert.match(written, /build-dir = ".*handlers"/);
  writeFileSync(path, `${written}# changed\n`);
  await openProjects(workshop.handlersDir);
  assert.equal(readFileSync(path, 'utf8'), written);
  writeFileSync(path, '[net]\noffline = true\n');
  await openProjects(workshop.handlersDir);
  assert.equal(readFileSync(path, 'utf8'), '[net]\noffline = true\n');
});

test('removing a project takes its folder and its part of the shared build directory, and nothing of others', async () => {
  await using workshop = await Workshop.open();
  await workshop.compile('leaving', answering('x'));
  await workshop.compile('leaving-not', answering('x'));
  const shared = (name: string): readonly string[] =>
    readdirSync(join(TEST_BUILD_DIR, 'handlers/release', name)).filter(entry => /handler_leaving/.test(entry));
  await workshop.compiler.removeProject('leaving');
  assert.ok(!existsSync(join(workshop.handlersDir, 'leaving')));
  assert.ok(existsSync(join(workshop.handlersDir, 'leaving-not')));
  for (const name of ['deps', 'incremental']) {
    assert.ok(shared(name).length > 0, name);
    assert.ok(
      shared(name).every(entry => entry.includes('handler_leaving_not')),
      shared(name).join(' '),
    );
  }
  await workshop.compiler.removeProject('never-there');
});
