/** Every shipped example, deployed as it says in its first lines, and called. */
import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { example } from '../support/code.ts';
import { RunningGateway } from '../support/gateway.ts';
import { ROOT } from '../support/source-tree.ts';

const names = readdirSync(join(ROOT, 'handlers'))
  .filter(file => file.endsWith('.rs'))
  .map(file => file.slice(0, -'.rs'.length));

let gateway: RunningGateway;
before(async () => {
  gateway = await RunningGateway.start();
  // The first start deploys an example only while nobody has made an endpoint.
  await gateway.log(line => line.event === 'example_ready', 60_000);
  for (const name of names.filter(name => name !== 'hello')) {
    const code = example(name);
    const [, method = '', path = ''] = /^\/\/! Route: (\w+) (\S+)$/m.exec(code) ?? [];
    const threads = /^\/\/! Threads: (\d+)$/m.exec(code)?.[1];
    await gateway.deploy(name, { code, method, path, ...(threads ? { threads: Number(threads) } : {}) });
  }
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

const json = async (path: string, init?: RequestInit): Promise<unknown> => (await gateway.fetch(path, init)).json();
const send = (method: string, body: unknown): RequestInit => ({ method, body: JSON.stringify(body) });

test('the examples are those that are tested here', () => {
  assert.deepEqual(names.toSorted(), ['fanout', 'hello', 'notes', 'parameters', 'upload']);
});

test('hello is deployed by the first start on an empty store', async () => {
  assert.deepEqual(await json('/hello'), { message: 'Hello, world!' });
  assert.deepEqual(await json('/hello?name=Zo%C3%AB'), { message: 'Hello, Zoë!' });
});

test('parameters reads the path and the query', async () => {
  assert.deepEqual(await json('/users/7/posts?page=2&tag=rust&tag=http'), {
    user: 7,
    page: 2,
    per_page: 20,
    tags: ['rust', 'http'],
  });
  const refused = await gateway.fetch('/users/ann/posts');
  assert.equal(refused.status, 400);
  assert.deepEqual(await refused.json(), { error: 'Bad request: Invalid path parameter: id' });
});

test('notes creates, reads, changes and deletes', async () => {
  const created = await gateway.fetch('/notes/all', send('POST', { text: 'milk' }));
  assert.equal(created.status, 201);
  assert.equal(created.headers.get('location'), '/notes/1');
  assert.deepEqual(await json('/notes/1', send('PUT', { text: 'milk', done: true })), {
    id: 1,
    text: 'milk',
    done: true,
  });
  assert.deepEqual(await json('/notes/all'), [{ id: 1, text: 'milk', done: true }]);
  assert.equal((await gateway.fetch('/notes/1', { method: 'DELETE' })).status, 204);
  assert.equal((await gateway.fetch('/notes/1')).status, 404);
  assert.equal((await gateway.fetch('/notes/all', send('POST', { text: '' }))).status, 400);
});

test('upload takes files byte by byte', async () => {
  const form = new FormData();
  form.set('title', 'Holiday');
  form.set('photo', new File([Uint8Array.from({ length: 300_000 }, (_, index) => index)], 'beach.bin'));
  const answer = await gateway.fetch('/upload', { method: 'POST', body: form });
  assert.equal(answer.status, 201);
  const { title, files } = (await answer.json()) as { title: string; files: Record<string, unknown>[] };
  assert.equal(title, 'Holiday');
  assert.deepEqual([files[0]?.['name'], files[0]?.['bytes']], ['beach.bin', 300_000]);
  // FNV-1a of the same bytes.
  let hash = 0x811c9dc5;
  for (let index = 0; index < 300_000; index += 1) hash = Math.imul(hash ^ (index & 0xff), 0x01000193) >>> 0;
  assert.equal(files[0]?.['checksum'], hash.toString(16).padStart(8, '0'));
});

test('fanout waits for all its parts at once', async () => {
  const { user, parts, took_ms: tookMs } = (await json('/fanout?parts=5&ms=200')) as Record<string, unknown>;
  assert.deepEqual([user, parts], ['ann', [1, 4, 9, 16, 25]]);
  assert.ok(Number(tookMs) < 6 * 200, 'not one after the other');
});
