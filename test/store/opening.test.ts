import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { EXIT_STATUS, StartupError } from '../../src/errors.ts';
import { migrate, MIGRATIONS, schemaVersion } from '../../src/store/migrations.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { ROOT } from '../support/source-tree.ts';
import { newBuild, newEndpoint, NOW, temporaryDirectory } from './records.ts';

const versionOne = readFileSync(join(ROOT, 'test/fixtures/store-version-1.sql'), 'utf8');

/** Runs `work` as a user the file modes apply to: they do not apply to root. */
function withoutPrivileges(work: () => void): void {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.('nobody');
  try {
    work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}

function startupFailure(work: () => unknown): StartupError {
  try {
    work();
  } catch (error) {
    assert.ok(error instanceof StartupError, String(error));
    return error;
  }
  throw new Error('nothing was thrown');
}

test('a missing data directory is created for its user alone', () => {
  using directory = temporaryDirectory();
  const dataDir = join(directory.path, 'new', 'data');
  openStore(dataDir).close();
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  assert.equal(statSync(join(dataDir, 'gateway.db')).mode & 0o777, 0o600);
});

test('what was stored is there after opening again', () => {
  using directory = temporaryDirectory();
  const first = openStore(directory.path);
  const endpoint = first.createEndpoint(newEndpoint('one'), NOW);
  first.close();
  const second = openStore(directory.path);
  assert.deepEqual(second.endpoint('one'), endpoint);
  second.close();
});

test('a database of version 1 is read, with all that is in it', () => {
  using directory = temporaryDirectory();
  const database = new DatabaseSync(join(directory.path, 'gateway.db'));
  database.exec(versionOne);
  database.close();
  const store = openStore(directory.path);
  assert.equal(store.endpoint('greet')?.timeoutMs, 1500);
  assert.equal(store.endpoint('greet')?.generation, 1);
  assert.deepEqual(store.build('b1')?.dependencies, { regex: '1' });
  assert.equal(store.generation('greet', 1)?.requests, 5);
  assert.throws(() => store.createEndpoint(newEndpoint('two', { path: '/greet/{x}' }), NOW), { code: 'route_taken' });
  store.addBuild(newBuild('b2', 'greet'));
  assert.equal(store.addGeneration('greet', 'b2').generation, 2);
  assert.deepEqual(
    store.generations('greet').map(({ cause }) => cause),
    ['deploy', null],
  );
  store.close();
});

test('the last error of a database of version 1 stays, as one of the code or of what serves', () => {
  using directory = temporaryDirectory();
  const database = new DatabaseSync(join(directory.path, 'gateway.db'));
  database.exec(versionOne);
  const insert = database.prepare(
    `INSERT INTO endpoints SELECT ?1, name, domain, '/' || ?1, '/' || ?1, method, description, code, dependencies, state,
      NULL, 0, NULL, ?2, timeout_ms, drain_timeout_ms, threads, created_at, updated_at FROM endpoints WHERE id = 'greet'`,
  );
  const errors = ['compile_failed', 'crash_loop'].map(code => ({ code, message: 'no', at: NOW }));
  for (const error of errors) insert.run(error.code, JSON.stringify(error));
  database.close();
  const store = openStore(directory.path);
  const kept = ['compile_failed', 'crash_loop', 'greet'].map(id => {
    const { buildError, servingError } = store.endpoint(id) ?? {};
    return [buildError, servingError];
  });
  assert.deepEqual(kept, [
    [errors[0], null],
    [null, errors[1]],
    [null, null],
  ]);
  store.close();
});

test('a later step runs once on a database of version 1, and one that fails leaves it as it was', () => {
  using database = new DatabaseSync(':memory:');
  database.exec(versionOne);
  const failing = [...MIGRATIONS, "UPDATE endpoints SET name = 'half done'; INSERT INTO missing VALUES (1)"];
  assert.throws(() => migrate(database, failing), /no such table/);
  database.exec('ROLLBACK');
  assert.equal(schemaVersion(database), MIGRATIONS.length);
  assert.equal(database.prepare('SELECT name FROM endpoints').get()?.['name'], 'Greet');

  const next = [...MIGRATIONS, "UPDATE endpoints SET name = name || '!'"];
  migrate(database, next);
  migrate(database, next);
  assert.equal(schemaVersion(database), MIGRATIONS.length + 1);
  assert.equal(database.prepare('SELECT name FROM endpoints').get()?.['name'], 'Greet!');
});

test('a database of a newer program is refused and left alone', () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'gateway.db');
  const database = new DatabaseSync(file);
  database.exec('CREATE TABLE later (x); PRAGMA user_version = 999');
  database.close();
  const failure = startupFailure(() => openStore(directory.path));
  assert.match(failure.message, /gateway\.db has version 999.*newer program/);
  assert.equal(failure.exitStatus, EXIT_STATUS.config);
});

test('a database of another program is refused', () => {
  using directory = temporaryDirectory();
  const database = new DatabaseSync(join(directory.path, 'gateway.db'));
  database.exec('CREATE TABLE foreigners (x)');
  database.close();
  assert.match(startupFailure(() => openStore(directory.path)).message, /another program/);
});

test('a file that is no database is refused with what to do', () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'gateway.db');
  writeFileSync(file, 'this is not a database, and it is long enough to be taken for one. '.repeat(100));
  const failure = startupFailure(() => openStore(directory.path));
  assert.match(failure.message, /gateway\.db is damaged: .*Restore it from a backup, or move it away/);
  assert.equal(failure.exitStatus, EXIT_STATUS.osError);
});

test('a database with overwritten pages is refused', () => {
  using directory = temporaryDirectory();
  const store = openStore(directory.path);
  store.transaction(() => {
    for (let index = 0; index < 500; index += 1) store.createEndpoint(newEndpoint(`e${index}`), NOW);
  });
  store.close();
  const file = join(directory.path, 'gateway.db');
  const bytes = readFileSync(file);
  bytes.fill(0xa5, 4096, bytes.length - 4096);
  writeFileSync(file, bytes);
  assert.match(startupFailure(() => openStore(directory.path)).message, /gateway\.db is damaged/);
});

test('a directory that cannot be written is refused by name', () => {
  using directory = temporaryDirectory();
  chmodSync(directory.path, 0o555);
  withoutPrivileges(() => {
    const failure = startupFailure(() => openStore(directory.path));
    assert.ok(failure.message.includes(`The data directory ${directory.path} cannot be used`), failure.message);
    assert.equal(failure.exitStatus, EXIT_STATUS.cannotCreate);
    const missing = startupFailure(() => openStore(join(directory.path, 'below')));
    assert.equal(missing.exitStatus, EXIT_STATUS.cannotCreate);
  });
});

test('a data directory where nothing can be created is refused, and at once', () => {
  assert.equal(startupFailure(() => openStore('/proc/nowhere/data')).exitStatus, EXIT_STATUS.cannotCreate);
});

test('a data directory that is a file is refused', () => {
  using directory = temporaryDirectory();
  const file = join(directory.path, 'file');
  writeFileSync(file, '');
  assert.equal(startupFailure(() => openStore(file)).exitStatus, EXIT_STATUS.cannotCreate);
  assert.ok(existsSync(file));
});

test('a JSON column somebody edited is an error that names it', () => {
  using directory = temporaryDirectory();
  const database = new DatabaseSync(join(directory.path, 'gateway.db'));
  database.exec(versionOne);
  database.exec(`UPDATE endpoints SET dependencies = '{"regex": 1}'`);
  database.close();
  const store = openStore(directory.path);
  assert.throws(() => store.endpoint('greet'), { code: 'storage_failed', message: /column dependencies of greet/ });
  store.close();
});

test('a database file that cannot be written is refused', () => {
  using directory = temporaryDirectory();
  openStore(directory.path).close();
  chmodSync(directory.path, 0o755);
  chmodSync(join(directory.path, 'gateway.db'), 0o444);
  withoutPrivileges(() => {
    assert.equal(startupFailure(() => openStore(directory.path)).exitStatus, EXIT_STATUS.cannotCreate);
  });
});

test('a full disk is storage_failed, undoes the transaction whole, and the store still answers', () => {
  using directory = temporaryDirectory();
  const filler = join(ROOT, 'test/fixtures/store-filler.ts');
  const script = 'ulimit -f 1000; exec "$0" "$@"';
  const output = execFileSync('/bin/sh', ['-c', script, process.execPath, filler, directory.path], {
    encoding: 'utf8',
  });
  const { code, written, readable } = JSON.parse(output) as { code: string; written: number; readable: number };
  assert.equal(code, 'storage_failed');
  assert.ok(written > 0);
  assert.equal(readable, 2 * written);
  const store = openStore(directory.path);
  assert.equal(store.endpoints().length, 2 * written);
  store.close();
});
