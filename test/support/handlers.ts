/** Compiled guard and handlers for tests: built with cargo, once, into the cache that all test files share. */
import { execFile } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import process from 'node:process';
import { promisify } from 'node:util';
import { ROOT } from './source-tree.ts';

const CACHE = join(ROOT, '.cache', 'test');
const run = promisify(execFile);

const SOURCES = {
  burn: 'test/fixtures/burn.rs',
  deaf: 'test/fixtures/deaf.rs',
  hello: 'handlers/hello.rs',
  kit: 'test/fixtures/kit.rs',
  memory: 'test/fixtures/memory.rs',
} as const;
export type BuiltHandler = keyof typeof SOURCES;

const built = new Map<string, Promise<string>>();

function once(name: string, build: () => Promise<string>): Promise<string> {
  const started = built.get(name) ?? build();
  built.set(name, started);
  return started;
}

/** Path of the guard; TEST_GUARD names one that is already built. */
export function guardLibrary(): Promise<string> {
  const given = process.env['TEST_GUARD'];
  if (given !== undefined) return Promise.resolve(given);
  return once('guard', async () => {
    const target = join(CACHE, 'guard');
    const args = ['--manifest-path', join(ROOT, 'crates/Cargo.toml'), '-p', 'rust-edge-gateway-guard'];
    await cargo(ROOT, args, { CARGO_TARGET_DIR: target });
    return join(target, 'release', 'librust_edge_gateway_guard.so');
  });
}

/** Path of a handler's library; TEST_HANDLERS names a folder with libraries that are already built. */
export function handlerLibrary(name: BuiltHandler): Promise<string> {
  const given = process.env['TEST_HANDLERS'];
  if (given !== undefined) return Promise.resolve(join(given, `libhandler_${name}.so`));
  return once(name, async () => {
    const project = join(CACHE, 'handlers', name);
    const source = await readFile(join(ROOT, SOURCES[name]), 'utf8');
    await mkdir(join(project, 'src'), { recursive: true });
    await writeChanged(join(project, 'Cargo.toml'), manifest(name, source));
    await writeChanged(join(project, 'src', 'lib.rs'), source);
    await cargo(project, [], { CARGO_BUILD_BUILD_DIR: join(CACHE, 'build') });
    return join(project, 'target', 'release', `libhandler_${name}.so`);
  });
}

/** Without a network first: what is needed is nearly always there. */
async function cargo(folder: string, args: readonly string[], variables: Record<string, string>): Promise<void> {
  const options = { cwd: folder, env: { ...process.env, ...variables } };
  const command = ['build', '--release', '--quiet', ...args];
  try {
    await run('cargo', [...command, '--offline'], options);
  } catch {
    await run('cargo', command, options);
  }
}

/** Cargo goes by the time of a file: one that is the same is not written again. */
async function writeChanged(path: string, text: string): Promise<void> {
  const before = await readFile(path, 'utf8').catch(() => null);
  if (before !== text) await writeFile(path, text);
}

/** The source may name dependencies: `//! Dependencies: libc = "0.2"`, several on lines of their own. */
function manifest(name: string, source: string): string {
  const dependencies = [...source.matchAll(/^\/\/! Dependencies: (.+)$/gm)].map(match => match[1]);
  return [
    '[package]',
    `name = "handler_${name}"`,
    'version = "0.1.0"',
    'edition = "2021"',
    '[lib]',
    'crate-type = ["cdylib"]',
    '[dependencies]',
    `rust-edge-gateway-sdk = { path = "${join(ROOT, 'crates/rust-edge-gateway-sdk')}" }`,
    'serde = { version = "1", features = ["derive"] }',
    'serde_json = "1"',
    ...dependencies,
    '[profile.release]',
    'opt-level = 3',
    'lto = "off"',
    'incremental = true',
    'strip = true',
    '[workspace]',
    '',
  ].join('\n');
}
