import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { PUBLIC_ERRORS, type PublicErrorEntry } from '../../src/errors.ts';
import type { Failure } from '../../src/pool/handler-pool.ts';
import { replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { assertError } from './assert-error.ts';
import { endpointSpec, TestGateway } from './test-gateway.ts';

const uploads = [endpointSpec('upload', { method: 'POST' })];
const never: ManualHandler = () => undefined;
const post = (length: number | string, body = ''): string =>
  `POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: ${length}\r\n\r\n${body}`;

test('a client is told to try again where the request never started and a moment may be enough', () => {
  const entries = Object.entries<PublicErrorEntry>(PUBLIC_ERRORS);
  const retried = entries.filter(([, { retryAfterSecs }]) => retryAfterSecs === 1).map(([code]) => code);
  assert.deepEqual(retried, ['queue_full', 'bodies_full', 'shutting_down']);
});

describe('bad_request', () => {
  const malformed: Readonly<Record<string, string | Buffer>> = {
    'a path with bad percent-encoding': 'GET /%zz HTTP/1.1\r\nHost: test\r\n\r\n',
    'a path that is not UTF-8': 'GET /%ff HTTP/1.1\r\nHost: test\r\n\r\n',
    'a path with raw bytes above ASCII': Buffer.from('GET /caf\xe9 HTTP/1.1\r\nHost: test\r\n\r\n', 'latin1'),
    'a path with a backslash': 'GET /a\\b HTTP/1.1\r\nHost: test\r\n\r\n',
    'a path with a control byte': 'GET /a\x01b HTTP/1.1\r\nHost: test\r\n\r\n',
    'a fragment': 'GET /a#b HTTP/1.1\r\nHost: test\r\n\r\n',
    'a query with bad percent-encoding': 'GET /hello?a=%4 HTTP/1.1\r\nHost: test\r\n\r\n',
    'a query that is not UTF-8': 'GET /hello?a=%C3%28 HTTP/1.1\r\nHost: test\r\n\r\n',
    'no Host': 'GET /hello HTTP/1.1\r\n\r\n',
    'two Hosts': 'GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n',
    'a malformed Host': 'GET /hello HTTP/1.1\r\nHost: a/b\r\n\r\n',
    'a request for "*"': 'OPTIONS * HTTP/1.1\r\nHost: test\r\n\r\n',
    'a request to tunnel': 'CONNECT test:443 HTTP/1.1\r\nHost: test\r\n\r\n',
    'a header without colon': 'GET /hello HTTP/1.1\r\nHost: test\r\nnonsense\r\n\r\n',
    'a header with a NUL': 'GET /hello HTTP/1.1\r\nHost: test\r\na: b\0c\r\n\r\n',
    'two lengths': 'GET /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    'a body with length and chunks':
      'GET /hello HTTP/1.1\r\nHost: test\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n',
    'bytes that are no HTTP': '\x16\x03\x01\x02\0\r\n\r\n',
  };
  for (const [what, bytes] of Object.entries(malformed)) {
    test(`answers ${what}`, async () => {
      await using gateway = await TestGateway.start();
      assertError(await gateway.send(bytes), 'bad_request');
      assert.equal((await gateway.get('/hello')).status, 200);
    });
  }

  test('answers chunks that are none in the middle of an upload', async () => {
    await using gateway = await TestGateway.start({ endpoints: uploads });
    const head = 'POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n';
    assertError(await gateway.send(`${head}3\r\nabc\r\nnonsense\r\n`), 'bad_request');
  });

  test('answers garbage behind a request only after that one', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('first')));
    await using gateway = await TestGateway.start({ handler });
    using client = await gateway.connect();
    client.get('/hello');
    client.send('nonsense\r\n\r\n');
    gate.resolve();
    assert.equal((await client.response()).body, 'first');
    assertError(await client.response(), 'bad_request');
    await client.closed();
  });
});

describe('route_not_found', () => {
  test('answers a path and a host no endpoint has', async () => {
    await using gateway = await TestGateway.start({ endpoints: [endpointSpec('a', { domain: 'a.test' })] });
    assertError(await gateway.get('/nowhere'), 'route_not_found');
    assertError(await gateway.get('/a'), 'route_not_found');
    assert.equal((await gateway.send('GET /a HTTP/1.1\r\nHost: A.TEST:8080\r\n\r\n')).status, 200);
  });
});

describe('method_not_allowed', () => {
  test('names the methods the path answers', async () => {
    await using gateway = await TestGateway.start();
    const response = await gateway.send('DELETE /hello HTTP/1.1\r\nHost: test\r\n\r\n');
    assertError(response, 'method_not_allowed');
    assert.equal(response.headers.get('allow'), 'GET, HEAD');
  });
});

describe('body_too_large', () => {
  test('answers an announced gigabyte before it is sent, and closes', async () => {
    await using gateway = await TestGateway.start({ endpoints: uploads });
    using client = await gateway.connect();
    client.send(post(1024 ** 3, 'the beginning'));
    const response = await client.response();
    assertError(response, 'body_too_large');
    assert.equal(response.headers.get('connection'), 'close');
    client.socket.end();
    await client.closed();
  });

  test('answers chunks once they are over the limit, and the client that still sends sees it', async () => {
    await using gateway = await TestGateway.start({ endpoints: uploads });
    using client = await gateway.connect();
    client.send('POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
    const chunk = Buffer.alloc(64 * 1024, 'x');
    for (let sent = 0; sent < 4 * 1024 * 1024; sent += chunk.length) {
      client.send(`${chunk.length.toString(16)}\r\n`);
      client.send(chunk);
      client.send('\r\n');
    }
    assertError(await client.response(), 'body_too_large');
    client.send('0\r\n\r\n');
    await client.closed();
    assert.equal(client.reset, false);
  });

  test('is told to a client that waits for "100 Continue", which never comes', async () => {
    await using gateway = await TestGateway.start({ endpoints: uploads });
    using client = await gateway.connect();
    client.send(post(1024 ** 3).replace('\r\n\r\n', '\r\nExpect: 100-continue\r\n\r\n'));
    assertError(await client.response(), 'body_too_large');
    await client.closed();
  });
});

describe('headers_too_large', () => {
  test('answers 100,000 headers', async () => {
    await using gateway = await TestGateway.start();
    using client = await gateway.connect();
    client.send('GET /hello HTTP/1.1\r\nHost: test\r\n');
    const thousand = Array.from({ length: 1_000 }, (_, index) => `h${index}: v\r\n`).join('');
    for (let sent = 0; sent < 100; sent++) client.send(thousand);
    client.send('\r\n');
    assertError(await client.response(), 'headers_too_large');
    client.socket.end();
    await client.closed();
    assert.equal(client.reset, false);
  });
});

describe('endpoint_not_loaded', () => {
  test('answers for an endpoint that is not deployed', async () => {
    await using gateway = await TestGateway.start({ endpoints: [endpointSpec('idle', {}, null)] });
    assertError(await gateway.get('/idle'), 'endpoint_not_loaded');
    assert.deepEqual(gateway.plane.figures().endpoints[0]?.rejected, { endpoint_not_loaded: 1 });
  });
});

describe('queue_full', () => {
  test('answers past the queue', async () => {
    const gate = Promise.withResolvers<void>();
    await using gateway = await TestGateway.start({ settings: { queueMax: 1 } });
    gateway.factory.beforeBind = () => gate.promise;
    gateway.plane.commit({ version: 2, id: 'hello', endpoint: endpointSpec('hello', {}, 2) });
    using client = await gateway.connect();
    client.get('/hello');
    await gateway.requestsInFlight(1);
    assertError(await gateway.get('/hello'), 'queue_full');
    assert.deepEqual(gateway.plane.figures().endpoints[0]?.rejected, { queue_full: 1 });
    gate.resolve();
    assert.equal((await client.response()).status, 200);
  });
});

describe('bodies_full', () => {
  test('answers while too many bytes of bodies are held, and takes them again afterwards', async () => {
    const open: (() => void)[] = [];
    const handler: ManualHandler = (_parts, settle) => void open.push(() => settle(replyWith('kept')));
    await using gateway = await TestGateway.start({ endpoints: uploads, handler, settings: { bodiesMaxMb: 1 } });
    using client = await gateway.connect();
    client.send(post(1024 * 1024, 'x'.repeat(1024 * 1024)));
    await gateway.requestsInFlight(1);
    assertError(await gateway.send(post(10, '0123456789')), 'bodies_full');
    assert.deepEqual(gateway.plane.figures().endpoints[0]?.rejected, { bodies_full: 1 });
    open.shift()?.();
    assert.equal((await client.response()).status, 200);
    client.send(post(10, '0123456789'));
    await gateway.requestsInFlight(1);
    open.shift()?.();
    assert.equal((await client.response()).status, 200);
  });

  test('is answered just as well when clients have left whose bodies were read: each is given back once', async () => {
    const handler: ManualHandler = () => undefined;
    await using gateway = await TestGateway.start({ endpoints: uploads, handler, settings: { bodiesMaxMb: 1 } });
    for (let left = 0; left < 3; left += 1) {
      using leaving = await gateway.connect();
      leaving.send(post(600 * 1024, 'x'.repeat(600 * 1024)));
      await gateway.requestsInFlight(1);
      leaving.socket.destroy();
      await gateway.requestsInFlight(0);
    }
    using client = await gateway.connect();
    client.send(post(600 * 1024, 'x'.repeat(600 * 1024)));
    await gateway.requestsInFlight(1);
    assertError(await gateway.send(post(600 * 1024, 'x'.repeat(600 * 1024))), 'bodies_full');
  });
});

const failures = [
  'handler_panicked',
  'handler_crashed',
  'handler_memory_exceeded',
  'handler_drain_forced',
  'internal_error',
] satisfies readonly Failure[];
for (const code of failures) {
  describe(code, () => {
    test('answers what the pool says, and nothing of the inside', async () => {
      const handler: ManualHandler = (_parts, settle) => settle({ kind: 'failure', code });
      await using gateway = await TestGateway.start({ handler });
      assertError(await gateway.get('/hello'), code);
    });
  });
}

describe('handler_timeout', () => {
  test('answers when the handler takes longer than its endpoint allows', async () => {
    const endpoints = [{ ...endpointSpec('slow', {}), timeoutMs: 20 }];
    await using gateway = await TestGateway.start({ endpoints, handler: never });
    assertError(await gateway.get('/slow'), 'handler_timeout');
  });
});

describe('handler_invalid_response', () => {
  const replies: Readonly<Record<string, ReturnType<typeof replyWith>>> = {
    'an informational status': replyWith('', 101),
    'a status HTTP does not know': replyWith('', 600),
    'a header name with a space': replyWith('', 200, ['a b', 'c']),
    'a header without a name': replyWith('', 200, ['', 'c']),
    'a header value with a line break': replyWith('', 200, ['a', 'b\r\nset-cookie: evil=1']),
  };
  for (const [what, reply] of Object.entries(replies)) {
    test(`answers ${what}`, async () => {
      await using gateway = await TestGateway.start({ handler: (_parts, settle) => settle(reply) });
      assertError(await gateway.get('/hello'), 'handler_invalid_response');
    });
  }
});

describe('shutting_down', () => {
  test('answers new requests on open connections while others finish, and closes', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('finished')));
    await using gateway = await TestGateway.start({ handler });
    using busy = await gateway.connect();
    using pipelining = await gateway.connect();
    using idle = await gateway.connect();
    busy.get('/hello');
    pipelining.get('/hello');
    await gateway.requestsInFlight(2);
    const ended = gateway.plane.shutdown({});
    pipelining.get('/hello');
    idle.get('/hello');
    const response = await idle.response();
    assertError(response, 'shutting_down');
    assert.equal(response.headers.get('connection'), 'close');
    await gateway.until(() => gateway.plane.figures().unrouted['5xx'] === 2);
    gate.resolve();
    const last = await busy.response();
    assert.equal(last.body, 'finished');
    assert.equal(last.headers.get('connection'), 'close');
    assert.equal((await pipelining.response()).body, 'finished');
    assertError(await pipelining.response(), 'shutting_down');
    await ended;
  });
});
