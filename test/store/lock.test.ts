import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { EXIT_STATUS, StartupError } from '../../src/errors.ts';
import { lockDataDirectory } from '../../src/store/data-directory.ts';
import { openStore } from '../../src/store/sqlite-store.ts';
import { ROOT } from '../support/source-tree.ts';
import { newEndpoint, NOW, temporaryDirectory } from './records.ts';

function refused(dataDir: string): void {
  assert.throws(
    () => lockDataDirectory(dataDir),
    (error: unknown) => {
      assert.ok(error instanceof StartupError);
      assert.equal(error.message.startsWith(`Another instance is using the data directory ${dataDir}.`), true);
      assert.equal(error.exitStatus, EXIT_STATUS.temporaryFailure);
      return true;
    },
  );
}

test('a second instance is refused at once while another process has the data directory', async t => {
  using directory = temporaryDirectory();
  const holder = spawn(process.execPath, [join(ROOT, 'test/fixtures/lock-holder.ts'), directory.path], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  t.after(() => holder.kill('SIGKILL'));
  await once(holder.stdout, 'data');
  const start = performance.now();
  refused(directory.path);
  assert.ok(performance.now() - start < 500);

  holder.kill('SIGKILL');
  await once(holder, 'exit');
  lockDataDirectory(directory.path).release();
});

test('a released data directory can be taken again, also by the same process', () => {
  using directory = temporaryDirectory();
  const dataDir = join(directory.path, 'data');
  const lock = lockDataDirectory(dataDir);
  assert.equal(statSync(dataDir).mode & 0o777, 0o700);
  refused(dataDir);
  lock.release();
  lockDataDirectory(dataDir).release();
});

test('two stores open on one directory see what the other has committed', () => {
  using directory = temporaryDirectory();
  const [first, second] = [openStore(directory.path), openStore(directory.path)];
  first.createEndpoint(newEndpoint('one'), NOW);
  assert.equal(second.endpoint('one')?.id, 'one');
  second.changeEndpoint('one', { name: 'changed' }, NOW);
  assert.equal(first.endpoint('one')?.name, 'changed');
  assert.throws(() => second.createEndpoint(newEndpoint('two', { path: '/one' }), NOW), { code: 'route_taken' });
  first.close();
  second.close();
});
