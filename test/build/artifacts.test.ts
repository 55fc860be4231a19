import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { Artifacts } from '../../src/build/artifacts.ts';

function openArtifacts() {
  const folder = mkdtempSync(join(tmpdir(), 'edge-gateway-artifacts-'));
  let now = 0;
  return {
    folder,
    artifacts: new Artifacts(join(folder, 'artifacts'), () => now),
    files: () => readdirSync(join(folder, 'artifacts')).toSorted(),
    advance(ms: number) {
      now += ms;
    },
    [Symbol.dispose]: () => rmSync(folder, { recursive: true, force: true }),
  };
}

const digestOf = (text: string): string => createHash('sha256').update(text).digest('hex');

test('an artifact is a private file named by its content', async () => {
  using opened = openArtifacts();
  const digest = await opened.artifacts.store(Buffer.from('library'));
  assert.equal(digest, digestOf('library'));
  const path = await opened.artifacts.path(digest);
  assert.equal(path, join(opened.folder, 'artifacts', `${digest}.so`));
  assert.equal(readFileSync(path ?? '', 'utf8'), 'library');
  assert.equal(statSync(path ?? '').mode & 0o777, 0o400);
  assert.equal(statSync(join(opened.folder, 'artifacts')).mode & 0o777, 0o700);
});

test('storing the same content again leaves the file as it is', async () => {
  using opened = openArtifacts();
  const path = await opened.artifacts.path(await opened.artifacts.store(Buffer.from('library')));
  const { ino } = statSync(path ?? '');
  await opened.artifacts.store(Buffer.from('library'));
  assert.equal(statSync(path ?? '').ino, ino);
  assert.equal(opened.files().length, 1);
});

test('a missing artifact and a name that is no digest are null', async () => {
  using opened = openArtifacts();
  assert.equal(await opened.artifacts.path(digestOf('never stored')), null);
  assert.equal(await opened.artifacts.path('../../etc/passwd'), null);
});

test('damaged content is noticed, also when size and time stay the same, and storing mends it', async () => {
  using opened = openArtifacts();
  const digest = await opened.artifacts.store(Buffer.from('library'));
  const path = (await opened.artifacts.path(digest)) ?? '';
  const { atime, mtime } = statSync(path);
  chmodSync(path, 0o600);
  writeFileSync(path, 'LIBRARY');
  utimesSync(path, atime, mtime);
  assert.equal(await opened.artifacts.path(digest), null);
  await opened.artifacts.store(Buffer.from('library'));
  assert.equal(await opened.artifacts.path(digest), path);
  assert.equal(readFileSync(path, 'utf8'), 'library');
});

test('a collection deletes what is not kept, remains of interrupted writes included', async () => {
  using opened = openArtifacts();
  const kept = await opened.artifacts.store(Buffer.from('kept'));
  const dropped = await opened.artifacts.store(Buffer.from('dropped'));
  writeFileSync(join(opened.folder, 'artifacts', `${digestOf('half')}.so.0123.tmp`), 'ha');
  await opened.artifacts.collectGarbage(new Set([kept, dropped]));
  assert.deepEqual(opened.files(), [`${kept}.so`, `${dropped}.so`].toSorted());
  await opened.artifacts.collectGarbage(new Set([kept]));
  assert.deepEqual(opened.files(), [`${kept}.so`]);
});

test('an artifact whose record is still on its way is spared for a minute, not for ever', async () => {
  using opened = openArtifacts();
  const digest = await opened.artifacts.store(Buffer.from('new'));
  await opened.artifacts.collectGarbage(new Set());
  assert.deepEqual(opened.files(), [`${digest}.so`]);
  opened.advance(61_000);
  await opened.artifacts.collectGarbage(new Set());
  assert.deepEqual(opened.files(), []);
});

test('a collection before anything was stored does nothing', async () => {
  using opened = openArtifacts();
  await opened.artifacts.collectGarbage(new Set());
  assert.deepEqual(readdirSync(opened.folder), []);
});
