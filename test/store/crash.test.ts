import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { test } from 'node:test';
import { openStore } from '../../src/store/sqlite-store.ts';
import { ROOT } from '../support/source-tree.ts';
import { temporaryDirectory } from './records.ts';

const KILLS = 25;

/** Runs the writer, kills it after it has acknowledged some deploys and done a random bit more; gives the last one. */
async function writeAndKill(dataDir: string, deploysBefore: number): Promise<number> {
  const child = spawn(process.execPath, [join(ROOT, 'test/fixtures/store-writer.ts'), dataDir]);
  let output = '';
  let errors = '';
  let lines = 0;
  child.stderr.on('data', chunk => (errors += String(chunk)));
  child.stdout.on('data', chunk => {
    output += String(chunk);
    lines += String(chunk).split('\n').length - 1;
    if (lines >= deploysBefore) child.kill('SIGKILL');
  });
  const [, signal] = (await once(child, 'close')) as [number | null, string | null];
  assert.equal(signal, 'SIGKILL', errors);
  const acknowledged = output.slice(0, output.lastIndexOf('\n')).split('\n');
  return Number(acknowledged.at(-1));
}

test(`${KILLS} kills in the middle of transactions lose nothing acknowledged and leave nothing half-done`, async () => {
  using directory = temporaryDirectory();
  for (let kill = 0; kill < KILLS; kill += 1) {
    const acknowledged = await writeAndKill(directory.path, 1 + Math.floor(Math.random() * 100));
    const store = openStore(directory.path);
    const serving = store.endpoint('one')?.generation ?? 0;
    assert.ok(serving >= acknowledged, `${acknowledged} was acknowledged, ${serving} is there`);
    assert.equal(store.endpoint('one')?.buildId, `b${serving}`);
    assert.notEqual(store.build(`b${serving}`), null);
    const [newest] = store.generations('one', 1);
    assert.equal(newest?.generation, serving);
    assert.deepEqual(store.generationsInState(['loading', 'serving', 'draining']), [newest]);
    store.close();
    using database = new DatabaseSync(join(directory.path, 'gateway.db'));
    assert.deepEqual(database.prepare('PRAGMA integrity_check').all(), [{ __proto__: null, integrity_check: 'ok' }]);
    assert.deepEqual(database.prepare('PRAGMA foreign_key_check').all(), []);
  }
});
