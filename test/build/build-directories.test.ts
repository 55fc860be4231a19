/** Builds at once, each in a directory of its own. */
import assert from 'node:assert/strict';
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process from 'node:process';
import { describe, it } from 'node:test';
import { BuildDirectories } from '../../src/build/build-directories.ts';
import { Cargo } from '../../src/build/cargo.ts';
import { answering } from '../support/code.ts';
import { TEST_BUILD_DIR } from '../support/gateway.ts';
import { Workshop } from './workshop.ts';

const nothing = async (): Promise<void> => {};

/** Two directories that are primed, and builds that end when they are told to. */
async function primed() {
  const copied: string[] = [];
  const copy = async (_from: string, to: string): Promise<void> => void copied.push(to);
  const directories = new BuildDirectories({ path: '/no/first', count: 2, copy });
  for (const path of directories.paths) await directories.prime(path, nothing);
  const ran: string[] = [];
  const build = (endpoint: string): { readonly end: () => void; readonly built: Promise<void> } => {
    const { promise, resolve } = Promise.withResolvers<void>();
    const built = directories.build(endpoint, async path => {
      ran.push(`${endpoint} in ${path}`);
      return promise;
    });
    return { end: resolve, built };
  };
  return { directories, copied, ran, build };
}

describe('build directories', () => {
  it('are copies of the first, and not used before they are primed', async () => {
    const copied: string[] = [];
    const copy = async (from: string, to: string): Promise<void> => void copied.push(`${from} to ${to}`);
    const directories = new BuildDirectories({ path: '/no/first', count: 2, copy });
    const paths: string[] = [];
    const build = (endpoint: string) => directories.build(endpoint, async path => void paths.push(path));
    await Promise.all([build('a'), build('b')]);
    assert.deepEqual(paths, ['/no/first', '/no/first']);
    for (const path of directories.paths) await directories.prime(path, nothing);
    assert.deepEqual(copied, ['/no/first to /no/first-2']);
    await Promise.all([build('c'), build('d')]);
    assert.deepEqual(paths.slice(2), ['/no/first', '/no/first-2']);
  });

  it('keep an endpoint where it was built last, unless that one is taken and another free', async () => {
    const { build, ran } = await primed();
    const [a, b] = [build('a'), build('b')];
    for (const { end } of [a, b]) end();
    await Promise.all([a.built, b.built]);
    const again = build('b');
    const moved = build('a');
    again.end();
    await again.built;
    const other = build('c');
    for (const { end } of [moved, other]) end();
    await Promise.all([moved.built, other.built]);
    assert.deepEqual(ran, [
      'a in /no/first',
      'b in /no/first-2',
      'b in /no/first-2',
      'a in /no/first',
      'c in /no/first-2',
    ]);
  });

  it('go on after a build that failed, and after a directory that could not be copied', async () => {
    const copy = async (): Promise<void> => Promise.reject(new Error('no room'));
    const directories = new BuildDirectories({ path: '/no/first', count: 2, copy });
    await assert.rejects(directories.prime('/no/first-2', nothing), { message: 'no room' });
    await assert.rejects(
      directories.build('a', async () => Promise.reject(new Error('a fault'))),
      { message: 'a fault' },
    );
    const paths = await Promise.all(['a', 'b'].map(endpoint => directories.build(endpoint, async path => path)));
    assert.deepEqual(paths, ['/no/first', '/no/first']);
  });
});

describe('two builds at once', () => {
  it('are compiled beside each other, with what endpoints share compiled once', async () => {
    // Primed already, and nobody else's.
    const buildDir = await mkdtemp(join(tmpdir(), 'edge-gateway-build-dir-'));
    const cargo = new Cargo({ environment: process.env, timeoutMs: 60_000 });
    await cargo.copyBuildDirectory(join(TEST_BUILD_DIR, 'handlers'), join(buildDir, 'handlers'));
    await using workshop = await Workshop.open({ concurrency: 2, buildDir });
    await workshop.compiler.prime();
    assert.deepEqual(workshop.warnings, []);
    const [first, second] = await Promise.all(['beside-a', 'beside-b'].map(id => workshop.compile(id, answering(id))));
    assert.notEqual(first?.digest, second?.digest);
    for (const id of ['beside-a', 'beside-b'])
      assert.deepEqual(workshop.crates(id), [`handler_${id.replace('-', '_')}`]);
    const built = async (directory: string): Promise<number> => {
      const names = await readdir(join(buildDir, directory, 'release', 'incremental'));
      return names.filter(name => /^handler_beside_/.test(name)).length;
    };
    assert.deepEqual([await built('handlers'), await built('handlers-2')], [1, 1]);
    for (const id of ['beside-a', 'beside-b']) await workshop.compiler.removeProject(id);
    assert.deepEqual([await built('handlers'), await built('handlers-2')], [0, 0]);
    await workshop.compiler.close();
    await rm(buildDir, { recursive: true });
  });

  it('do not copy over a directory that has come meanwhile, and leave nothing half copied', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'edge-gateway-copies-'));
    const cargo = new Cargo({ environment: process.env, timeoutMs: 60_000 });
    const [from, to] = [join(folder, 'from'), join(folder, 'to')];
    await assert.rejects(cargo.copyBuildDirectory(from, to), { code: 'storage_failed' });
    for (const [path, content] of [
      [from, 'old'],
      [to, 'new'],
    ] as const) {
      await mkdir(path);
      await writeFile(join(path, 'file'), content);
    }
    await cargo.copyBuildDirectory(from, to);
    assert.equal(await readFile(join(to, 'file'), 'utf8'), 'new');
    assert.deepEqual((await readdir(folder)).toSorted(), ['from', 'to']);
    await rm(folder, { recursive: true });
  });
});
