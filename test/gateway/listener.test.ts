import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { RequestParts } from '../../src/protocol/frame.ts';
import { replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { endpointSpec, TestGateway } from './test-gateway.ts';

const echo: ManualHandler = (parts, settle) =>
  settle(
    replyWith(JSON.stringify({ ...parts, body: parts.body === null ? null : Buffer.from(parts.body).toString() })),
  );

const anything = [endpointSpec('any', { method: 'ANY', path: '/{path...}' })];

async function partsOf(gateway: TestGateway, bytes: string): Promise<RequestParts> {
  return JSON.parse((await gateway.send(bytes)).body) as RequestParts;
}

describe('a request', () => {
  test('reaches the handler as it was sent', async () => {
    await using gateway = await TestGateway.start({
      handler: echo,
      endpoints: [endpointSpec('u', { path: '/u/{id}' })],
    });
    const parts = await partsOf(gateway, 'GET /u/caf%C3%A9?q=%20x HTTP/1.1\r\nHost: T\r\nX-A: 1\r\nX-A: \xe92\r\n\r\n');
    assert.deepEqual(parts, {
      method: 'GET',
      path: '/u/caf%C3%A9',
      query: 'q=%20x',
      requestId: parts.requestId,
      clientIp: '127.0.0.1',
      rawHeaders: ['Host', 'T', 'X-A', '1', 'X-A', '\xe92'],
      params: ['id', 'caf\xc3\xa9'],
      body: null,
    });
  });

  test('with more headers than Node counts by default keeps them all', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints: anything });
    const headers = Array.from({ length: 2_500 }, () => 'a:b\r\n').join('');
    const parts = await partsOf(gateway, `GET /x HTTP/1.1\r\nHost: t\r\n${headers}\r\n`);
    assert.equal(parts.rawHeaders.length, 2 * 2_501);
  });

  test('may have its target in absolute form, whose host counts', async () => {
    const endpoints = [endpointSpec('a', { domain: 'a.test', path: '/x' })];
    await using gateway = await TestGateway.start({ handler: echo, endpoints });
    const parts = await partsOf(gateway, 'GET http://a.test/x?y HTTP/1.1\r\nHost: other\r\n\r\n');
    assert.deepEqual([parts.path, parts.query], ['/x', 'y']);
  });

  test('of HTTP/1.0 needs no Host', async () => {
    await using gateway = await TestGateway.start();
    assert.equal((await gateway.send('GET /hello HTTP/1.0\r\n\r\n')).status, 200);
  });

  test('with hosts and paths that are odd but allowed is served', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints: anything });
    for (const host of ['1.2.3', '999.1.1.1', 'a_b', 'xn--a', '[::1]:80', 'UPPER.test.', 'a:99999']) {
      for (const path of ['/%41', '/a|b', '/a"b', "/a'b^`{}", '/a/./b?c', '/x?a\\b']) {
        const response = await gateway.send(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
        const expected = path.includes('/./') ? 400 : 200;
        assert.equal(response.status, expected, `${host}${path}`);
        assert.ok(response.headers.get('x-request-id'));
      }
    }
  });

  test('with a method of no endpoint reaches the one for any', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints: anything });
    for (const method of ['PROPFIND', 'TRACE', 'PURGE', 'OPTIONS']) {
      assert.equal((await partsOf(gateway, `${method} /x HTTP/1.1\r\nHost: t\r\n\r\n`)).method, method);
    }
  });

  test('that asks to upgrade is an ordinary one', async () => {
    await using gateway = await TestGateway.start();
    assert.equal((await gateway.get('/hello', 'Connection: upgrade\r\nUpgrade: websocket\r\n')).status, 200);
  });
});

describe('a request id', () => {
  test('of the client is kept when it is harmless', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints: anything });
    const response = await gateway.get('/x', 'X-Request-Id: abc.DEF_1-2\r\n');
    assert.equal(response.headers.get('x-request-id'), 'abc.DEF_1-2');
    assert.match(response.body, /"requestId":"abc.DEF_1-2"/);
  });

  test('is made when the client sends none or a strange one, a new one each time', async () => {
    await using gateway = await TestGateway.start();
    const ids = new Set<string | undefined>();
    for (const sent of ['', 'X-Request-Id: a b\r\n', `X-Request-Id: ${'a'.repeat(129)}\r\n`, 'X-Request-Id: <x>\r\n']) {
      const id = (await gateway.get('/hello', sent)).headers.get('x-request-id');
      assert.match(id ?? '', /^[A-Za-z0-9._-]{1,128}$/);
      ids.add(id);
    }
    assert.equal(ids.size, 4);
  });
});

describe('a body', () => {
  const endpoints = [endpointSpec('up', { method: 'POST' })];

  test('in chunks arrives whole', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints });
    using client = await gateway.connect();
    client.send('POST /up HTTP/1.1\r\nHost: t\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n');
    client.send('2;ext=1\r\nde\r\n0\r\nTrailer: x\r\n\r\n');
    assert.equal((JSON.parse((await client.response()).body) as RequestParts).body, 'abcde');
  });

  test('is asked for with "100 Continue" when the client waits', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints });
    using client = await gateway.connect();
    client.send('POST /up HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    assert.equal((await client.response()).status, 100);
    client.send('ok');
    assert.equal((JSON.parse((await client.response()).body) as RequestParts).body, 'ok');
  });

  test('that comes slowly belongs to the generation that serves when it is complete', async () => {
    const handler: ManualHandler = (_parts, settle, pool) => settle(replyWith(String(pool.spec.generation)));
    await using gateway = await TestGateway.start({ handler, endpoints });
    using client = await gateway.connect();
    client.send('POST /up HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    assert.equal((await client.response()).status, 100);
    client.send('a');
    gateway.plane.commit({ version: 2, id: 'up', endpoint: endpointSpec('up', { method: 'POST' }, 2) });
    client.send('b');
    assert.equal((await client.response()).body, '2');
  });

  test('whose client leaves in the middle reaches no handler and holds no bytes', async () => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints, settings: { bodiesMaxMb: 1 } });
    for (let round = 1; round <= 3; round++) {
      const client = await gateway.connect();
      client.send('POST /up HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 1000000\r\n\r\n');
      assert.equal((await client.response()).status, 100);
      client.send('x'.repeat(900_000));
      client.socket.destroy();
      await gateway.until(() => gateway.plane.figures().endpoints[0]?.requests['4xx'] === round);
    }
    const whole = `POST /up HTTP/1.1\r\nHost: t\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`;
    assert.equal((await gateway.send(whole)).status, 200);
    assert.equal(gateway.plane.figures().generations[0]?.requests, 1);
    assert.deepEqual(gateway.plane.figures().unrouted, {});
  });

  test('nobody reads is dropped, and the connection lives on', async () => {
    await using gateway = await TestGateway.start();
    using client = await gateway.connect();
    client.send('POST /nowhere HTTP/1.1\r\nHost: t\r\nContent-Length: 5\r\n\r\nabcde');
    assert.equal((await client.response()).status, 404);
    client.get('/hello');
    assert.equal((await client.response()).status, 200);
  });
});

describe('a reply', () => {
  const replying = (reply: ReturnType<typeof replyWith>): Promise<TestGateway> =>
    TestGateway.start({ handler: (_parts, settle) => settle(reply), endpoints: anything });

  test('goes out with its headers, repeated ones too, without those about connection and framing', async () => {
    const headers = ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2', 'Content-Length', '999', 'Transfer-Encoding', 'chunked'];
    const dropped = [
      'Connection',
      'close',
      'Keep-Alive',
      'x',
      'Upgrade',
      'h2c',
      'TE',
      'x',
      'Trailer',
      'x',
      'X-Request-Id',
      'fake',
    ];
    await using gateway = await replying(
      replyWith('body', 201, [...headers, ...dropped, 'Proxy-Authenticate', 'x', 'X-Kept', '\xe9']),
    );
    const response = await fetch(`${gateway.url}/x`, { headers: { 'x-request-id': 'mine' } });
    assert.equal(response.status, 201);
    assert.deepEqual(response.headers.getSetCookie(), ['a=1', 'b=2']);
    const names = [...response.headers.keys()].filter(name => name !== 'set-cookie');
    assert.deepEqual(names, ['connection', 'content-length', 'date', 'keep-alive', 'x-kept', 'x-request-id']);
    assert.equal(response.headers.get('x-request-id'), 'mine');
    assert.equal(response.headers.get('connection'), 'keep-alive');
    assert.equal(await response.text(), 'body');
  });

  test('keeps every byte of a body, small or large', async () => {
    for (const size of [0, 1, 256, 16 * 1024, 16 * 1024 + 1, 3_000_000]) {
      const body = Buffer.from(Array.from({ length: size }, (_, index) => (index * 7) % 256));
      await using gateway = await replying({ kind: 'reply', reply: { status: 200, headers: [], body } });
      const received = Buffer.from(await (await fetch(`${gateway.url}/x`)).arrayBuffer());
      assert.ok(received.equals(body), `${size} bytes`);
    }
  });

  test('to HEAD has the length of the body and no body', async () => {
    await using gateway = await TestGateway.start();
    using client = await gateway.connect();
    client.send('HEAD /hello HTTP/1.1\r\nHost: t\r\n\r\n');
    const response = await client.response({ forHead: true });
    assert.equal(response.headers.get('content-length'), '5');
    client.get('/hello');
    assert.equal((await client.response()).body, 'hello');
  });

  test('of 204, 205 and 304 has no body', async () => {
    for (const [status, length] of [
      [204, undefined],
      [205, '0'],
      [304, undefined],
    ] as const) {
      await using gateway = await replying(replyWith('ignored', status));
      using client = await gateway.connect();
      for (let round = 0; round < 2; round++) {
        client.get('/x');
        const response = await client.response();
        assert.deepEqual(
          [response.status, response.headers.get('content-length'), response.body],
          [status, length, ''],
        );
      }
    }
  });
});

describe('a connection', () => {
  test('with pipelined requests gets the replies in order', async () => {
    const open = new Map<string, () => void>();
    const handler: ManualHandler = (parts, settle) => void open.set(parts.path, () => settle(replyWith(parts.path)));
    await using gateway = await TestGateway.start({ handler, endpoints: anything });
    using client = await gateway.connect();
    client.send(['/1', '/2', '/3'].map(path => `GET ${path} HTTP/1.1\r\nHost: t\r\n\r\n`).join(''));
    await gateway.requestsInFlight(3);
    for (const path of ['/3', '/1', '/2']) open.get(path)?.();
    for (const path of ['/1', '/2', '/3']) assert.equal((await client.response()).body, path);
  });

  test('that is closed cancels every request on it, pipelined ones too', async () => {
    await using gateway = await TestGateway.start({ handler: () => undefined, endpoints: anything });
    const client = await gateway.connect();
    client.send('GET /1 HTTP/1.1\r\nHost: t\r\nx-request-id: one\r\n\r\n');
    client.send('POST /2 HTTP/1.1\r\nHost: t\r\nx-request-id: two\r\nContent-Length: 2\r\n\r\nab');
    await gateway.requestsInFlight(2);
    client.socket.destroy();
    await gateway.until(() => gateway.plane.figures().inFlight === 0);
    assert.deepEqual(gateway.factory.pool('any', 1).cancelled, ['one', 'two']);
    assert.deepEqual(gateway.plane.figures().endpoints[0]?.requests, { '4xx': 2 });
  });

  test('whose reader is slow does not hold its generation', async () => {
    const body = Buffer.alloc(8_000_000);
    const handler: ManualHandler = (_parts, settle) =>
      settle({ kind: 'reply', reply: { status: 200, headers: [], body } });
    await using gateway = await TestGateway.start({ handler });
    using client = await gateway.connect();
    client.socket.pause();
    client.get('/hello');
    await gateway.until(() => gateway.plane.figures().requestsTotal === 1);
    assert.equal(gateway.plane.figures().inFlight, 0);
    gateway.plane.commit({ version: 2, id: 'hello', endpoint: endpointSpec('hello', {}, 2) });
    await gateway.until(() => gateway.events.some(event => event.kind === 'retired' && event.outcome === 'drained'));
    client.socket.resume();
    assert.equal((await client.response()).body.length, body.length);
  });
});

describe('the address of the client', () => {
  const clientIp = async (trustedProxies: readonly string[], headers: string): Promise<string> => {
    await using gateway = await TestGateway.start({ handler: echo, endpoints: anything, settings: { trustedProxies } });
    return (await partsOf(gateway, `GET /x HTTP/1.1\r\nHost: t\r\n${headers}\r\n`)).clientIp;
  };

  test('is the peer unless that is a trusted proxy', async () => {
    assert.equal(await clientIp([], 'X-Forwarded-For: 192.0.2.1\r\n'), '127.0.0.1');
    assert.equal(await clientIp(['10.0.0.0/8'], 'X-Forwarded-For: 192.0.2.1\r\n'), '127.0.0.1');
    assert.equal(await clientIp(['127.0.0.1'], 'X-Forwarded-For: 192.0.2.1\r\n'), '192.0.2.1');
  });

  test('is the last one that no trusted proxy has', async () => {
    const trusted = ['127.0.0.0/8', '10.0.0.0/8', '2001:db8::/32'];
    assert.equal(await clientIp(trusted, 'X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1\r\n'), '192.0.2.1');
    assert.equal(
      await clientIp(trusted, 'X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-For: [2001:db8::7]:99\r\n'),
      '192.0.2.1',
    );
    assert.equal(await clientIp(trusted, 'X-Forwarded-For: 192.0.2.1, unknown, 10.1.1.1\r\n'), '10.1.1.1');
    assert.equal(await clientIp(trusted, 'X-Forwarded-For: ::ffff:192.0.2.9\r\n'), '192.0.2.9');
    assert.equal(await clientIp(trusted, ''), '127.0.0.1');
  });

  test('comes with a forwarded host that routes, from trusted proxies only', async () => {
    const endpoints = [endpointSpec('a', { domain: 'a.test', path: '/x' })];
    for (const [trusted, status] of [
      [['127.0.0.1'], 200],
      [[], 404],
    ] as const) {
      await using gateway = await TestGateway.start({ endpoints, settings: { trustedProxies: trusted } });
      assert.equal((await gateway.get('/x', 'X-Forwarded-Host: A.test:443\r\n')).status, status);
    }
  });
});

describe('a gateway that hands over', () => {
  test('serves what comes on open connections, closes each with its reply, and drains when they are gone', async () => {
    await using gateway = await TestGateway.start();
    using client = await gateway.connect();
    client.get('/hello');
    assert.equal((await client.response()).headers.get('connection'), 'keep-alive');
    const ended = gateway.plane.shutdown({ handover: true });
    client.get('/hello');
    const response = await client.response();
    assert.deepEqual([response.status, response.headers.get('connection')], [200, 'close']);
    await client.closed();
    client.socket.end();
    await ended;
    assert.equal(gateway.factory.closed, true);
    await assert.rejects(gateway.connect());
  });

  test('waits no longer for clients that stay when it has to end meanwhile', async () => {
    await using gateway = await TestGateway.start();
    using client = await gateway.connect();
    client.get('/hello');
    await client.response();
    const ended = gateway.plane.shutdown({ handover: true });
    const endedAgain = gateway.plane.shutdown({});
    client.get('/hello');
    const response = await client.response();
    assert.deepEqual([response.status, response.headers.get('connection')], [503, 'close']);
    client.socket.end();
    assert.equal(await ended, await endedAgain);
  });

  test('keeps a connection open until the last of its pipelined requests is answered', async () => {
    const open: (() => void)[] = [];
    const handler: ManualHandler = (parts, settle) => void open.push(() => settle(replyWith(parts.path)));
    await using gateway = await TestGateway.start({ handler, endpoints: anything });
    using client = await gateway.connect();
    client.send(['/1', '/2'].map(path => `GET ${path} HTTP/1.1\r\nHost: t\r\n\r\n`).join(''));
    await gateway.requestsInFlight(2);
    const ended = gateway.plane.shutdown({ handover: true });
    for (const settle of open) settle();
    assert.deepEqual([(await client.response()).body, (await client.response()).body], ['/1', '/2']);
    client.socket.end();
    await ended;
  });
});

test('requests are counted under their endpoint, and the others as unrouted', async () => {
  await using gateway = await TestGateway.start();
  await gateway.get('/hello');
  await gateway.get('/nowhere');
  await gateway.send('nonsense\r\n\r\n');
  const figures = gateway.plane.figures();
  assert.equal(figures.requestsTotal, 3);
  assert.deepEqual(figures.unrouted, { '4xx': 2 });
  assert.deepEqual(figures.endpoints[0]?.requests, { '2xx': 1 });
  assert.equal(
    figures.endpoints[0]?.duration.counts.reduce((a, b) => a + b),
    1,
  );
});

test('with an access log, each request is a line', async () => {
  await using gateway = await TestGateway.start({ settings: { accessLog: true } });
  await gateway.get('/hello?secret=1', 'x-request-id: abc\r\n');
  await gateway.get('/nowhere');
  const lines = () => gateway.events.flatMap(event => (event.kind === 'access_log' ? event.lines : []));
  await gateway.until(() => lines().length === 2);
  const [first, second] = lines();
  assert.deepEqual(
    { ...first, at: 0, durationMs: 0 },
    {
      at: 0,
      requestId: 'abc',
      endpoint: 'hello',
      generation: 1,
      clientIp: '127.0.0.1',
      method: 'GET',
      path: '/hello',
      status: 200,
      durationMs: 0,
      bytes: 5,
    },
  );
  assert.deepEqual([second?.endpoint, second?.generation, second?.status], [null, null, 404]);
});
