import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { answering } from '../support/code.ts';
import { failureOf, Workshop } from './workshop.ts';

test('a new endpoint compiles into an artifact that is a handler', async () => {
  await using workshop = await Workshop.open();
  const code = answering('first');
  const build = await workshop.compile('greet-me', code, { serde: '1' });
  assert.equal(build.endpointId, 'greet-me');
  assert.equal(build.abi, 1);
  assert.equal(build.cached, false);
  assert.equal(build.code, code);
  assert.deepEqual(build.dependencies, { serde: '1' });
  assert.deepEqual(build.warnings, []);
  assert.ok(build.durationMs > 0);
  assert.notEqual(await workshop.compiler.artifactPath(build.digest), null);
  const phases = workshop.progress.filter(one => one.crate === null).map(one => one.phase);
  assert.deepEqual(phases, ['waiting', 'compiling', 'finished']);
  assert.equal(workshop.crates('greet-me').at(-1), 'handler_greet_me');
});

test('an edit gives another artifact and compiles the endpoint alone', async () => {
  await using workshop = await Workshop.open();
  const first = await workshop.compile('one', answering('first'));
  workshop.progress.length = 0;
  const second = await workshop.compile('one', answering('second'));
  assert.notEqual(second.digest, first.digest);
  assert.notEqual(second.key, first.key);
  assert.deepEqual(workshop.crates('one'), ['handler_one']);
});

test('gateways that share a build directory never get each other’s library, though their endpoints have the same id', async () => {
  await using first = await Workshop.open();
  await using second = await Workshop.open();
  for (let round = 0; round < 4; round += 1) {
    const said = ['first', 'second'].map(text => `${text} in round ${round}`);
    const builds = await Promise.all(
      [first, second].map(async (workshop, index) => {
        const { digest } = await workshop.compile('contested', answering(said[index] ?? ''));
        return readFile((await workshop.compiler.artifactPath(digest)) ?? '', 'latin1');
      }),
    );
    const speaks = (library: string | undefined, text = ''): boolean => library?.includes(text) ?? false;
    assert.deepEqual([speaks(builds[0], said[0]), speaks(builds[1], said[1])], [true, true], `round ${round}`);
  }
});

test('the same source built before is answered from the artifacts, as a build of its own', async () => {
  await using workshop = await Workshop.open();
  const first = await workshop.compile('one', answering('first'));
  const second = await workshop.compile('one', answering('second'));
  const again = await workshop.compile('one', answering('first'));
  assert.equal(again.cached, true);
  assert.deepEqual([again.key, again.digest, again.abi], [first.key, first.digest, first.abi]);
  assert.notEqual(again.id, first.id);
  assert.ok(again.durationMs < second.durationMs);
  assert.equal((await workshop.compile('one', answering('second'))).digest, second.digest);
  assert.equal((await workshop.compile('one', answering('third'))).cached, false);
});

test('the same source of another endpoint, or with other dependencies, is another build', async () => {
  await using workshop = await Workshop.open();
  const one = await workshop.compile('one', answering('same'));
  const two = await workshop.compile('two', answering('same'));
  assert.equal(two.cached, false);
  assert.notEqual(two.key, one.key);
  const featured = await workshop.compile('one', answering('same'), { serde: { version: '1', features: ['derive'] } });
  assert.equal(featured.cached, true, 'what every handler has anyway changes nothing');
  const pinned = await workshop.compile('one', answering('same'), { serde: '1.0' });
  assert.equal(pinned.cached, false);
});

test('a missing or damaged artifact is built again', async () => {
  await using workshop = await Workshop.open();
  const first = await workshop.compile('one', answering('first'));
  await workshop.compiler.collectGarbage(new Set([first.digest]));
  await workshop.compiler.collectGarbage(new Set());
  assert.equal(await workshop.compiler.artifactPath(first.digest), null);
  const again = await workshop.compile('one', answering('first'));
  assert.equal(again.cached, false);
  assert.notEqual(await workshop.compiler.artifactPath(again.digest), null);
});

test('a syntax error is reported at its line of the saved source', async () => {
  await using workshop = await Workshop.open();
  const code = `${answering('x')}\nfn broken( {\n`;
  const failure = await failureOf(workshop.compile('one', code));
  assert.equal(failure.code, 'compile_failed');
  assert.match(failure.message, /^error: .*\n +--> src\/lib\.rs:\d+:\d+/);
  assert.deepEqual(failure.details, [
    { level: 'error', message: 'this file contains an unclosed delimiter', file: 'src/lib.rs', line: 8, column: 14 },
  ]);
});

test('an error of types comes with its place, beside the warnings; nothing of this machine is in the text', async () => {
  await using workshop = await Workshop.open();
  const code = `//! A handler that begins with an inner comment.\n#![allow(dead_code)]\n${answering('x')}
pub fn number() -> u8 {
    let unused = 1;
    "text"
}
`;
  const failure = await failureOf(workshop.compile('one', code));
  assert.equal(failure.code, 'compile_failed');
  assert.match(failure.message, /^error\[E0308\]: mismatched types\n +--> src\/lib\.rs:12:5/);
  assert.ok(!failure.message.includes(workshop.folder));
  const details = failure.details as { level: string; line: number | null }[];
  assert.deepEqual(details.find(one => one.level === 'error')?.line, 12);
});

test('warnings are kept with the build, also when it is answered from the artifacts', async () => {
  await using workshop = await Workshop.open();
  const code = `${answering('x')}\nfn unused() {}\n`;
  const build = await workshop.compile('one', code);
  assert.deepEqual(build.warnings, [
    { level: 'warning', message: 'function `unused` is never used', file: 'src/lib.rs', line: 8, column: 4 },
  ]);
  assert.deepEqual((await workshop.compile('one', code)).warnings, build.warnings);
});

test('a mistake under #[handler] is reported at a line of the saved source', async () => {
  await using workshop = await Workshop.open();
  const code = `use rust_edge_gateway_sdk::prelude::*;\n\n#[handler]\npub async fn handle(req: Request) -> u8 {\n    1\n}\n`;
  const failure = await failureOf(workshop.compile('one', code));
  const [first] = failure.details as { file: string | null; line: number | null }[];
  assert.equal(first?.file, 'src/lib.rs');
  assert.ok(first.line !== null && first.line >= 3 && first.line <= 6);
});

test('code without #[handler] is refused with what to write', async () => {
  await using workshop = await Workshop.open();
  const failure = await failureOf(workshop.compile('one', 'pub fn handle() {}\n'));
  assert.equal(failure.code, 'library_refused');
  assert.match(failure.message, /put #\[handler\] above the function/);
});

test('a library that runs code of its own when it is loaded is refused', async () => {
  await using workshop = await Workshop.open();
  const constructor = `
#[used]
#[unsafe(link_section = ".init_array")]
static AT_LOAD: extern "C" fn() = { extern "C" fn at_load() {} at_load };
`;
  const failure = await failureOf(workshop.compile('one', answering('x') + constructor));
  assert.equal(failure.code, 'library_refused');
  assert.match(failure.message, /runs when it is loaded/);
});

test('a crate or version that does not exist is a failure of the compile, and says which', async () => {
  await using workshop = await Workshop.open();
  const crate = await failureOf(workshop.compile('one', answering('x'), { 'no-such-crate-of-anyone': '1' }));
  assert.equal(crate.code, 'compile_failed');
  assert.match(crate.message, /no-such-crate-of-anyone/);
  assert.ok(!crate.message.includes(workshop.folder));
  const version = await failureOf(workshop.compile('one', answering('x'), { serde_json: '99' }));
  assert.equal(version.code, 'compile_failed');
  assert.match(version.message, /serde_json = "\^99"|serde_json/);
});

test('requests that come while a build waits join it, and the newest source is built', async () => {
  await using workshop = await Workshop.open();
  const running = workshop.compile('other', answering('running'));
  const joined = await Promise.all(['a', 'b', 'c'].map(text => workshop.compile('one', answering(text))));
  await running;
  assert.equal(new Set(joined.map(build => build.id)).size, 1);
  assert.equal(joined[0]?.code, answering('c'));
});

test('closing ends a build that runs, and refuses further ones', async () => {
  await using workshop = await Workshop.open();
  const failing = failureOf(workshop.compile('one', answering('x')));
  await workshop.compiler.close();
  assert.equal((await failing).code, 'shutting_down');
  assert.equal((await failureOf(workshop.compile('one', answering('x')))).code, 'shutting_down');
  assert.equal((await failureOf(workshop.compiler.guardPath())).code, 'shutting_down');
});

test('a data directory that cannot be written is storage_failed', async () => {
  await using workshop = await Workshop.open({ dataDir: '/proc/nowhere' });
  const failure = await failureOf(workshop.compile('one', answering('x')));
  assert.equal(failure.code, 'storage_failed');
});
