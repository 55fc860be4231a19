import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { KEY, TestAdmin } from '../support/admin.ts';

let admin: TestAdmin;
before(async () => {
  admin = await TestAdmin.open();
});
after(async () => {
  assert.deepEqual(admin.plane.store.endpoints(), [], 'nothing was created by a refused call');
  await admin[Symbol.asyncDispose]();
});

const good = { name: 'x', path: '/x' };
const REFUSED: readonly [what: string, body: unknown, names: RegExp][] = [
  ['an unknown field', { ...good, colour: 'red' }, /unknown field \\"colour\\"/],
  ['two unknown fields', { ...good, colour: 'red', size: 1 }, /\\"colour\\", \\"size\\"/],
  ['a number as path', { name: 'x', path: 7 }, /path/],
  ['no path', { name: 'x' }, /path/],
  ['no name', { path: '/x' }, /name/],
  ['an empty name', { ...good, name: '  ' }, /name/],
  ['an over-long name', { ...good, name: 'x'.repeat(201) }, /name/],
  ['an id with capitals', { ...good, id: 'Hello' }, /id/],
  ['an id that climbs', { ...good, id: '../../etc' }, /id/],
  ['an id of 64 characters', { ...good, id: 'x'.repeat(64) }, /id/],
  ['an empty id', { ...good, id: '' }, /id/],
  ['a path without slash', { ...good, path: 'x' }, /path/],
  ['an open brace', { ...good, path: '/x/{y' }, /path/],
  ['a parameter used twice', { ...good, path: '/{y}/{y}' }, /path/],
  ['a method that is none', { ...good, method: 'FETCH' }, /method/],
  ['a domain with a port', { ...good, domain: 'a.example:80' }, /domain/],
  ['a domain with a path', { ...good, domain: 'a.example/x' }, /domain/],
  ['a wildcard label', { ...good, domain: '*.example' }, /domain/],
  ['code that is no text', { ...good, code: 5 }, /code/],
  ['a negative timeout', { ...good, timeout_ms: -1 }, /timeout_ms/],
  ['a timeout of more than a day', { ...good, timeout_ms: 86_400_001 }, /timeout_ms/],
  ['half a millisecond', { ...good, timeout_ms: 10.5 }, /timeout_ms/],
  ['a drain timeout as text', { ...good, drain_timeout_ms: '5' }, /drain_timeout_ms/],
  ['no threads', { ...good, threads: 0 }, /threads/],
  ['too many threads', { ...good, threads: 65 }, /threads/],
  ['a dependency that climbs', { ...good, dependencies: { '../x': '1' } }, /\.\.\/x/],
  ['a version that breaks out', { ...good, dependencies: { evil: '1"\n[build-dependencies]' } }, /evil/],
  ['a dependency name that breaks out', { ...good, dependencies: { 'evil"\n[build-dependencies]': '1' } }, /evil/],
  ['a dependency by path', { ...good, dependencies: { evil: { path: '../x' } } }, /evil/],
  ['a dependency from git', { ...good, dependencies: { evil: { git: 'https://example.com' } } }, /evil/],
  ['a list', [good], /expected object/],
  ['null', null, /expected object/],
];

for (const [what, body, names] of REFUSED) {
  test(`${what} is a 400 that names it`, async () => {
    const { status, ok, error } = await admin.call('POST', '/endpoints', body);
    assert.deepEqual([status, ok, error.code], [400, false, 'validation_failed']);
    assert.match(JSON.stringify(error), names);
  });
}

const post = (body: NonNullable<RequestInit['body']>, headers: Record<string, string> = {}): Promise<Response> =>
  admin.send('/api/endpoints', {
    method: 'POST',
    body,
    headers: { 'content-type': 'application/json', ...headers },
  });

test('malformed JSON is a 400', async () => {
  const response = await post('{"name": ');
  assert.equal(response.status, 400);
  assert.match(await response.text(), /"malformed_json"/);
});

test('invalid UTF-8 is refused, not repaired', async () => {
  const response = await post(Buffer.from('{"name":"\xff","path":"/x"}', 'latin1'));
  assert.equal(response.status, 400);
  assert.match(await response.text(), /UTF-8/);
});

test('a body is read as JSON whatever its type is said to be', async () => {
  const form = await post('name=x', { 'content-type': 'application/x-www-form-urlencoded' });
  assert.match(await form.text(), /"malformed_json"/);
  const plain = await post('{"name": 5}', { 'content-type': 'text/plain' });
  assert.match(await plain.text(), /"validation_failed"/);
});

test('a body over the limit is a 413, announced or not', async () => {
  const body = JSON.stringify({ ...good, code: 'x'.repeat(LIMITS.adminBodyBytesMax) });
  const announced = await post(body, { 'content-length': String(body.length) });
  assert.equal(announced.status, 413);
  const request = new Request('http://localhost/api/endpoints', {
    method: 'POST',
    headers: { 'content-type': 'application/json', authorization: `Bearer ${KEY}` },
    body: new Blob([body]).stream(),
    duplex: 'half',
  });
  assert.equal((await admin.app.request(request)).status, 413);
});

for (const path of ['/endpoints?limit=0', '/endpoints?limit=x', '/endpoints?state=gone', '/endpoints?colour=red']) {
  test(`${path} is a 400`, async () => {
    assert.equal((await admin.call('GET', path)).error.code, 'validation_failed');
  });
}

for (const call of ['deploy', 'rollback']) {
  for (const query of ['bake=', 'bake=-1', 'bake=soon', 'bake=1e3', 'bake=86401', 'bake=0&bake=1', 'bakes=0']) {
    test(`${call}?${query} is a 400 that says what is allowed, whatever endpoint is meant`, async () => {
      const { status, error } = await admin.call('POST', `/endpoints/a/${call}?${query}`, {});
      assert.deepEqual([status, error.code], [400, 'validation_failed']);
      assert.match(error.message, query === 'bakes=0' ? /unknown field "bakes"/ : /^bake: /);
    });
  }
}

test('a cursor no page gave is a 400', async () => {
  assert.equal((await admin.call('GET', '/endpoints?cursor=***')).status, 400);
});

for (const id of ['missing', '..%2f..%2fetc', '%00', 'A', 'x'.repeat(300)]) {
  test(`an endpoint called ${id.slice(0, 20)} is not found, whatever is asked of it`, async () => {
    for (const [method, path] of [
      ['GET', ''],
      ['DELETE', ''],
      ['GET', '/code'],
      ['GET', '/logs'],
      ['GET', '/generations'],
      ['POST', '/compile'],
      ['POST', '/deploy'],
      ['POST', '/undeploy'],
      ['POST', '/rollback'],
    ] as const) {
      const { status, error } = await admin.call(method, `/endpoints/${id}${path}`);
      assert.deepEqual([status, error.code], [404, 'endpoint_not_found'], `${method} ${path}`);
    }
  });
}

test('unknown paths are JSON 404s, known ones with another method 405s', async () => {
  assert.equal((await admin.call('GET', '/nothing')).error.code, 'not_found');
  assert.equal((await admin.call('GET', '/endpoints/a/nothing')).error.code, 'not_found');
  const { status, error } = await admin.call('PATCH', '/endpoints/a');
  assert.deepEqual([status, error.code], [405, 'method_not_allowed']);
});
