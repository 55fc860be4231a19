import assert from 'node:assert/strict';
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Cargo } from '../../src/build/cargo.ts';
import { eventually } from '../support/eventually.ts';
import { failureOf } from './workshop.ts';

/** A toolchain whose cargo is a shell script: for what a real one does only on a bad day. */
function fakeToolchain(script: string, timeoutMs = 60_000) {
  const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-cargo-'));
  const write = (name: string, text: string): void => {
    writeFileSync(join(folder, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(folder, name), 0o755);
  };
  write('rustc', 'echo rustc 1.95.0');
  write('cargo', script.replaceAll('$FOLDER', folder));
  const environment = { PATH: `${folder}:${process.env['PATH']}`, SECRET_TOKEN: 'secret', RUST_BACKTRACE: '1' };
  const cargo = new Cargo({ environment, timeoutMs });
  return {
    folder,
    cargo,
    build: () => cargo.build({ folder, target: 'handler_x' }),
    read: (name: string) => readFileSync(join(folder, name), 'utf8'),
    async [Symbol.asyncDispose]() {
      await cargo.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const ARTIFACT = JSON.stringify({
  reason: 'compiler-artifact',
  target: { name: 'handler_x', kind: ['cdylib'] },
  filenames: ['/built/libhandler_x.so'],
  fresh: false,
});

test('without cargo the message says what is missing and how to get it, and the next call looks again', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-cargo-'));
  const cargo = new Cargo({ environment: { PATH: '/nowhere', HOME: folder }, timeoutMs: 1_000 });
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const failure = await failureOf(cargo.build({ folder, target: 'handler_x' }));
    assert.equal(failure.code, 'toolchain_missing');
    assert.match(
      failure.message,
      /^Rust is not installed: .*Install it with rustup \(https:\/\/rustup\.rs\), then restart/,
    );
  }
  rmSync(folder, { recursive: true });
});

test('a cargo without a working rustc is a missing toolchain', async () => {
  await using fake = fakeToolchain('exit 0');
  writeFileSync(join(fake.folder, 'rustc'), '#!/bin/sh\nexit 1\n');
  assert.equal((await failureOf(fake.build())).code, 'toolchain_missing');
});

test('cargo is asked offline first, and once more with the network only when it has compiled nothing', async () => {
  await using fake = fakeToolchain(
    `echo "$*" >> $FOLDER/calls; case "$*" in *--offline*) echo "no such crate" >&2; exit 101;; esac; echo '${ARTIFACT}'`,
  );
  assert.equal((await fake.build()).productPath, '/built/libhandler_x.so');
  const calls = fake.read('calls').trim().split('\n');
  assert.deepEqual(
    calls.map(call => call.includes('--offline')),
    [true, false],
  );

  await using failing = fakeToolchain(`echo "$*" >> $FOLDER/calls; echo '${ARTIFACT}'; exit 101`);
  assert.equal((await failureOf(failing.build())).code, 'compile_failed');
  assert.equal(failing.read('calls').trim().split('\n').length, 1);
});

test('cargo sees no secret and no RUST_BACKTRACE', async () => {
  await using fake = fakeToolchain(`env > $FOLDER/env; echo '${ARTIFACT}'`);
  await fake.build();
  assert.doesNotMatch(fake.read('env'), /SECRET|RUST_BACKTRACE/);
});

test('a build past its time limit is killed with all its children', async () => {
  await using fake = fakeToolchain('sh -c "echo \\$\\$ > $FOLDER/child; exec sleep 1000" & wait', 1_000);
  const failure = await failureOf(fake.build());
  assert.equal(failure.code, 'compile_timeout');
  assert.equal(failure.message, 'The build ran past its time limit of 1 s and was stopped.');
  const child = Number(fake.read('child'));
  await eventually('the child is gone', () => !existsSync(`/proc/${child}`));
});

test('closing kills a build that runs, and refuses the next', async () => {
  await using fake = fakeToolchain('echo $$ > $FOLDER/pid; exec sleep 1000');
  const failing = failureOf(fake.build());
  const pid = await eventually('cargo runs', () => existsSync(join(fake.folder, 'pid')) && Number(fake.read('pid')));
  await fake.cargo.close();
  assert.equal((await failing).code, 'shutting_down');
  await eventually('cargo is gone', () => !existsSync(`/proc/${pid}`));
  assert.equal((await failureOf(fake.build())).code, 'shutting_down');
});

test('a full disk and a missing linker are not blamed on the code', async () => {
  await using full = fakeToolchain(
    'echo "error: failed to write: No space left on device (os error 28)" >&2; exit 101',
  );
  assert.equal((await failureOf(full.build())).code, 'storage_failed');
  await using unlinked = fakeToolchain('echo "error: linker \\`cc\\` not found" >&2; exit 101');
  const failure = await failureOf(unlinked.build());
  assert.equal(failure.code, 'toolchain_missing');
  assert.match(failure.message, /"cc" is not installed/);
});

test('lines that are not what cargo prints are passed over', async () => {
  await using fake = fakeToolchain(`echo garbage; echo '{"reason":1}'; echo '[]'; echo '${ARTIFACT}'`);
  assert.equal((await fake.build()).productPath, '/built/libhandler_x.so');
});

test('a cargo that ends well without a library is a failure that says so', async () => {
  await using fake = fakeToolchain('exit 0');
  assert.equal((await failureOf(fake.build())).message, 'cargo ended with status 0.');
});
