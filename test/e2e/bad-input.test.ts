/** Bad input to the real program: each a clear error, nothing lost, the process alive. */
import assert from 'node:assert/strict';
import { chmod, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { createServer, connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { once } from 'node:events';
import { after, before, test } from 'node:test';
import { answering } from '../support/code.ts';
import { RunningGateway } from '../support/gateway.ts';

let gateway: RunningGateway;
before(async () => {
  gateway = await RunningGateway.start();
  await gateway.deploy('steady', { code: answering('steady') });
});
after(async () => {
  assert.equal(await (await gateway.fetch('/steady')).text(), 'steady', 'what was deployed still serves');
  await gateway[Symbol.asyncDispose]();
});

/** Sends bytes as they are and gives everything that comes back until the server closes. */
async function raw(bytes: Buffer | string, target = gateway.url): Promise<string> {
  const { hostname, port } = new URL(target);
  const socket = connect(Number(port), hostname);
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk));
  socket.on('error', () => socket.destroy());
  socket.write(bytes);
  await once(socket, 'close');
  return Buffer.concat(chunks).toString('latin1');
}

const codeOf = (answer: string): string => /"code":"(\w+)"/.exec(answer)?.[1] ?? answer.slice(0, 200);

const rejected: readonly [name: string, body: unknown, pattern: RegExp][] = [
  ['unknown fields', { name: 'x', path: '/x', colour: 'red' }, /colour/],
  ['wrong types', { name: 'x', path: 7 }, /path/],
  ['a missing path', { name: 'x' }, /path/],
  ['an over-long name', { name: 'x'.repeat(10_000), path: '/x' }, /name/],
  ['a bad id', { name: 'x', path: '/x', id: 'Not An Id' }, /id/],
  ['a path traversal in the id', { name: 'x', path: '/x', id: '../../etc' }, /id/],
  ['a path pattern with an open brace', { name: 'x', path: '/x/{y' }, /path/],
  ['a method that is none', { name: 'x', path: '/x', method: 'FETCH' }, /method/],
  ['a dependency named ../x', { name: 'x', path: '/x', dependencies: { '../x': '1' } }, /\.\.\/x/],
  [
    'a dependency that breaks out of its line',
    { name: 'x', path: '/x', dependencies: { 'evil"\n[build-dependencies]': '1' } },
    /dependenc/,
  ],
  [
    'a version that breaks out of its line',
    { name: 'x', path: '/x', dependencies: { evil: '1"\n[build-dependencies]' } },
    /evil/,
  ],
  [
    'a dependency from git',
    { name: 'x', path: '/x', dependencies: { evil: { git: 'https://example.com' } } },
    /evil|git/,
  ],
];

for (const [name, body, pattern] of rejected) {
  test(`${name}: 400 that names it`, async () => {
    const { status, error } = await gateway.api('POST', '/endpoints', body);
    assert.equal(status, 400);
    assert.equal(error.code, 'validation_failed');
    assert.match(JSON.stringify(error), pattern);
  });
}

test('malformed JSON: 400 malformed_json', async () => {
  const response = await fetch(`${gateway.adminUrl}/api/endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: '{"name": ',
  });
  assert.equal(response.status, 400);
  assert.equal(((await response.json()) as { error: { code: string } }).error.code, 'malformed_json');
});

test('invalid UTF-8 in an admin body: 400', async () => {
  const response = await fetch(`${gateway.adminUrl}/api/endpoints`, {
    method: 'POST',
    headers: { authorization: `Bearer ${gateway.key}`, 'content-type': 'application/json' },
    body: Buffer.from('{"name":"\xff\xfe","path":"/x"}', 'latin1'),
  });
  assert.equal(response.status, 400);
});

test('a body of a gigabyte: 413 before it is sent', async () => {
  const answer = await raw(
    'POST /steady HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\nconnection: close\r\n\r\n',
  );
  assert.match(answer, /^HTTP\/1\.1 (413|405)/);
  await gateway.deploy('sink', { code: answering('sunk'), method: 'POST' });
  const sunk = await raw('POST /sink HTTP/1.1\r\nhost: x\r\ncontent-length: 1073741824\r\nconnection: close\r\n\r\n');
  assert.match(sunk, /^HTTP\/1\.1 413/);
  assert.equal(codeOf(sunk), 'body_too_large');
});

test('a hundred thousand headers: 431', async () => {
  const headers = Array.from({ length: 100_000 }, (_, index) => `x-${index}: y\r\n`).join('');
  const answer = await raw(`GET /steady HTTP/1.1\r\nhost: x\r\n${headers}\r\n`);
  assert.match(answer, /^HTTP\/1\.1 431/);
  assert.equal(codeOf(answer), 'headers_too_large');
});

for (const [name, target] of [
  ['raw bytes that are no UTF-8 in the path', '/steady\xff\xfe'],
  ['percent-encoded bytes that are no UTF-8 in the path', '/steady%ff%fe'],
  ['percent-encoded bytes that are no UTF-8 in the query', '/steady?q=%ff'],
  ['a broken percent-encoding', '/steady%zz'],
] as const) {
  test(`${name}: 400 bad_request`, async () => {
    const answer = await raw(Buffer.from(`GET ${target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n`, 'latin1'));
    assert.match(answer, /^HTTP\/1\.1 400/);
    assert.equal(codeOf(answer), 'bad_request');
    assert.match(answer, /x-request-id: /i);
  });
}

test('header values that are no UTF-8 reach the handler as text', async () => {
  const bytes = Buffer.from(
    'GET /steady HTTP/1.1\r\nhost: x\r\nx-odd: \xff\xfe\r\nconnection: close\r\n\r\n',
    'latin1',
  );
  assert.match(await raw(bytes), /^HTTP\/1\.1 200/);
});

test('a library without handler_entry is refused, and the message says what to write', async () => {
  await gateway.must('POST', '/endpoints', {
    id: 'entryless',
    name: 'x',
    path: '/entryless',
    code: 'pub fn lonely() {}\n',
  });
  const { status, error } = await gateway.api('POST', '/endpoints/entryless/deploy', { compile: true });
  assert.equal(status, 422);
  assert.match(error.message, /#\[handler\]/);
  assert.equal((await gateway.must('GET', '/endpoints/entryless'))['state'], 'created');
});

test('a corrupt artifact is noticed: the old generation goes on serving, and a new compile mends it', async () => {
  await gateway.deploy('corrupt', { code: answering('whole') });
  await gateway.must('PUT', '/endpoints/corrupt/code', { code: answering('other') });
  const { build } = (await gateway.must('POST', '/endpoints/corrupt/compile')) as unknown as {
    build: { digest: string };
  };
  const path = join(gateway.folder, 'data', 'artifacts', `${build.digest}.so`);
  await chmod(path, 0o600);
  await writeFile(path, 'not a library');
  const { status, error } = await gateway.api('POST', '/endpoints/corrupt/deploy');
  assert.deepEqual([status, error.code], [422, 'load_failed']);
  assert.equal(await (await gateway.fetch('/corrupt')).text(), 'whole');
  await gateway.must('POST', '/endpoints/corrupt/deploy', { compile: true });
  assert.equal(await (await gateway.fetch('/corrupt')).text(), 'other');
});

test('a port in use: one line that names it, and a status that is not 0', async () => {
  const taken = createServer();
  taken.listen(0, '127.0.0.1');
  await once(taken, 'listening');
  const { port } = taken.address() as { port: number };
  const second = await RunningGateway.launch({ settings: { GATEWAY_PORT: String(port) } });
  assert.notEqual(await second.exited(), 0);
  assert.match(second.stderr, new RegExp(`${port}`));
  assert.equal(second.stderr.trim().split('\n').length, 1);
  taken.close();
  await rm(second.folder, { recursive: true, force: true });
});

test('a second instance on the same data directory: refused, and the first goes on', async () => {
  const second = await RunningGateway.launch({ folder: gateway.folder });
  assert.notEqual(await second.exited(), 0);
  assert.match(second.stderr, /data/);
  assert.equal(await (await gateway.fetch('/steady')).text(), 'steady');
});

test('a data directory that cannot be written: one line that names it', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'edge-gateway-'));
  // Root may write anywhere but below a file.
  await writeFile(join(folder, 'file'), '');
  const refused = await RunningGateway.launch({ folder, settings: { DATA_DIR: join(folder, 'file', 'data') } });
  assert.notEqual(await refused.exited(), 0);
  assert.match(refused.stderr, /file\/data/);
  await rm(folder, { recursive: true, force: true });
});

test('a bad setting: one line with name, value and what is allowed, and status 78', async () => {
  const refused = await RunningGateway.launch({ settings: { QUEUE_MAX: 'many' } });
  assert.equal(await refused.exited(), 78);
  assert.match(refused.stderr, /RUST_EDGE_GATEWAY_QUEUE_MAX is "many"; allowed is a whole number/);
  await rm(refused.folder, { recursive: true, force: true });
});

test('nothing is left behind in the folder of private copies', async () => {
  const files = await readdir(join(gateway.folder, 'data', 'images'));
  // What is loaded ahead of its deploy keeps its file until then.
  const left = files.filter(name => !name.includes('.next.'));
  assert.deepEqual(left, []);
});
