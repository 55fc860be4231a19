import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { keptKey } from '../../src/admin/key.ts';
import { KEY, TestAdmin } from '../support/admin.ts';

test('everything under /api/ but health needs the key', async () => {
  await using admin = await TestAdmin.open();
  for (const authorization of ['', 'Bearer', 'Bearer wrong', `Basic ${KEY}`, KEY, `Bearer ${KEY}x`]) {
    for (const path of ['/api/stats', '/api/nothing', '/api/openapi.json']) {
      const response = await admin.send(path, { headers: { authorization } });
      assert.equal(response.status, 401, `${path} with "${authorization}"`);
      assert.equal(response.headers.get('www-authenticate'), 'Bearer');
    }
  }
  for (const path of ['/api/health', '/metrics', '/']) {
    assert.equal((await admin.send(path, { headers: { authorization: '' } })).status, 200, path);
  }
  assert.equal((await admin.send('/api/stats', { headers: { authorization: `bearer ${KEY}` } })).status, 200);
});

for (const [host, status] of [
  ['localhost:8081', 200],
  ['127.0.0.1', 200],
  ['127.1.2.3:80', 200],
  ['[::1]:8081', 200],
  ['GATEWAY.example:8081', 200],
  ['10.0.0.7', 200],
  ['evil.example', 403],
  ['localhost.evil.example', 403],
  ['10.0.0.8', 403],
  ['localhost@evil.example', 403],
] as const) {
  test(`Host ${host} gets ${status}; metrics and health answer to any`, async () => {
    await using admin = await TestAdmin.open();
    assert.equal((await admin.send('/api/stats', { headers: { host } })).status, status);
    assert.equal((await admin.send('/metrics', { headers: { host } })).status, 200);
    assert.equal((await admin.send('/api/health', { headers: { host } })).status, 200);
  });
}

for (const [origin, status] of [
  ['http://localhost:8081', 200],
  ['https://localhost:8081', 200],
  ['http://localhost:3000', 403],
  ['http://evil.example', 403],
  ['null', 403],
] as const) {
  test(`Origin ${origin} gets ${status}`, async () => {
    await using admin = await TestAdmin.open();
    const response = await admin.send('/api/stats', { headers: { origin } });
    assert.equal(response.status, status);
    if (status === 403) assert.match(await response.text(), /forbidden_origin/);
  });
}

test('health is 503 while nothing can serve', async () => {
  await using admin = await TestAdmin.open();
  assert.deepEqual((await admin.call('GET', '/health')).data, { status: 'healthy', version: '1.2.3' });
  admin.canServe = false;
  const { status, error } = await admin.call('GET', '/health');
  assert.deepEqual([status, error.code], [503, 'not_serving']);
});

test('the key is generated once, kept for the user alone, and an empty file is no key', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'key-'));
  const file = join(folder, 'admin.key');
  const key = keptKey(folder);
  assert.match(key, /^[\w-]{43}$/);
  assert.equal(keptKey(folder), key);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  assert.equal((await readFile(file, 'utf8')).trim(), key);
  await writeFile(file, '', { mode: 0o644 });
  assert.notEqual(keptKey(folder), key);
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  await rm(folder, { recursive: true });
  assert.throws(() => keptKey(join(folder, 'gone')), /admin\.key/);
});
