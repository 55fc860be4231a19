import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import { describe, test } from 'node:test';
import { checkEveryMs, clientLimits } from '../../src/gateway/client/client-limits.ts';
import { ManualClock } from '../serving/manual-clock.ts';
import { replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { TEST_SETTINGS } from '../support/data-plane-settings.ts';
import { assertError } from './assert-error.ts';
import { endpointSpec, TestGateway } from './test-gateway.ts';

const MEBIBYTE = 1024 * 1024;
const uploads = [endpointSpec('upload', { method: 'POST' })];
const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n';

/** Sends `bytes` again and again, faster than any limit, until the socket is closed. */
async function drip(socket: Socket, bytes: string): Promise<void> {
  const timer = setInterval(() => socket.writable && socket.write(bytes), 10);
  // Not `once`: writing to a closed connection is an error, and no surprise here.
  await new Promise<void>(resolve => void socket.on('close', () => resolve()));
  clearInterval(timer);
}

describe('a client that is slow with its headers', () => {
  const settings = { headersTimeoutSecs: 0.1 };

  test('is told so and disconnected', async () => {
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    client.send('GET /hello HTTP/1.1\r\nHost: te');
    const response = await client.response();
    assertError(response, 'request_timeout');
    assert.equal(response.headers.get('connection'), 'close');
    await client.closed();
    assert.equal(client.reset, false);
    assert.deepEqual(gateway.closed, { headers_timeout: 1 });
    assert.deepEqual(gateway.plane.figures().unrouted, { '4xx': 1 });
  });

  test('gains no time by sending a little now and then', async () => {
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    client.send('GET /hello HTTP/1.1\r\nHost: test\r\n');
    await drip(client.socket, 'a: b\r\n');
    assertError(await client.response(), 'request_timeout');
    assert.deepEqual(gateway.closed, { headers_timeout: 1 });
  });

  test('gets the answer to the request before first', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('first')));
    await using gateway = await TestGateway.start({ settings, handler });
    using client = await gateway.connect();
    client.get('/hello');
    client.send('GET /hel');
    await gateway.until(() => gateway.closed.headers_timeout === 1);
    gate.resolve();
    assert.equal((await client.response()).body, 'first');
    assertError(await client.response(), 'request_timeout');
    await client.closed();
  });

  test('and has sent nothing at all is disconnected without a word', async () => {
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    await client.closed();
    await assert.rejects(client.response(), /connection closed after ""/);
    assert.equal(client.reset, false);
    assert.deepEqual(gateway.closed, { headers_timeout: 1 });
    assert.equal(gateway.plane.figures().requestsTotal, 0);
  });
});

describe('a client that is slow with its body', () => {
  const settings = { receiveTimeoutSecs: 0.1 };

  test('is told so and disconnected, and its endpoint never hears of it', async () => {
    await using gateway = await TestGateway.start({ settings, endpoints: uploads });
    using client = await gateway.connect();
    client.send(`${UPLOAD}abc`);
    const response = await client.response();
    assertError(response, 'request_timeout');
    assert.equal(response.headers.get('connection'), 'close');
    client.socket.end();
    await client.closed();
    assert.equal(client.reset, false);
    assert.deepEqual(gateway.closed, { receive_timeout: 1 });
    const [endpoint] = gateway.plane.figures().endpoints;
    assert.deepEqual([endpoint?.requests, endpoint?.rejected], [{ '4xx': 1 }, {}]);
    assert.equal(gateway.plane.figures().generations[0]?.requests, 0);
  });

  test('sees the answer even if it goes on sending', async () => {
    await using gateway = await TestGateway.start({ settings, endpoints: uploads });
    using client = await gateway.connect();
    client.send('POST /upload HTTP/1.1\r\nHost: test\r\nTransfer-Encoding: chunked\r\n\r\n');
    const dripped = drip(client.socket, '1\r\na\r\n');
    assertError(await client.response(), 'request_timeout');
    client.socket.end('0\r\n\r\n');
    await dripped;
  });

  test('gives the bytes of its body back', async () => {
    const limits = { ...settings, maxBodyMb: 1, bodiesMaxMb: 1 };
    await using gateway = await TestGateway.start({ settings: limits, endpoints: uploads });
    using slow = await gateway.connect();
    slow.send(`POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: ${MEBIBYTE}\r\n\r\n${'x'.repeat(MEBIBYTE - 1)}`);
    assertError(await slow.response(), 'request_timeout');
    const whole = `POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: ${MEBIBYTE}\r\n\r\n${'x'.repeat(MEBIBYTE)}`;
    assert.equal((await gateway.send(whole)).status, 200);
  });

  test('that was answered before gets no second answer', async () => {
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    client.send(`${UPLOAD}abc`);
    assertError(await client.response(), 'route_not_found');
    await client.closed();
    await assert.rejects(client.response(), /connection closed after ""/);
    assert.deepEqual(gateway.closed, { receive_timeout: 1 });
    assert.equal(gateway.plane.figures().requestsTotal, 1);
  });

  test('waits no longer for a handler on account of it', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('late')));
    await using gateway = await TestGateway.start({ settings, endpoints: uploads, handler });
    using slow = await gateway.connect();
    using waiting = await gateway.connect();
    waiting.send(`${UPLOAD}0123456789`);
    await gateway.requestsInFlight(1);
    slow.send(UPLOAD);
    assertError(await slow.response(), 'request_timeout');
    gate.resolve();
    assert.equal((await waiting.response()).body, 'late');
  });
});

describe('connections', () => {
  test('past the most are closed at once, and taken again when others have left', async () => {
    await using gateway = await TestGateway.start({ settings: { connectionsMax: 2 } });
    using first = await gateway.connect();
    const second = await gateway.connect();
    await gateway.until(() => gateway.plane.figures().connections === 2);
    const third = await gateway.connect();
    await third.closed();
    assert.deepEqual(gateway.closed, { too_many: 1 });
    assert.equal(gateway.plane.figures().connections, 2);
    second.socket.destroy();
    await gateway.until(() => gateway.plane.figures().connections === 1);
    assert.equal((await gateway.get('/hello')).status, 200);
    first.get('/hello');
    assert.equal((await first.response()).status, 200);
  });

  test('are counted right whatever ends them', async () => {
    await using gateway = await TestGateway.start({ settings: { headersTimeoutSecs: 0.1, headersKbMax: 1 } });
    const ends: readonly string[] = [
      'nonsense\r\n\r\n',
      'CONNECT test:443 HTTP/1.1\r\nHost: test\r\n\r\n',
      `GET / HTTP/1.1\r\na: ${'x'.repeat(2_000)}\r\n\r\n`,
      'GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n',
      'GET /hello HT',
    ];
    for (const bytes of ends) {
      using client = await gateway.connect();
      client.send(bytes);
      await client.response();
      client.socket.end();
      await client.closed();
    }
    for (let round = 0; round < 20; round++) {
      const client = await gateway.connect();
      client.get('/hello');
      client.socket.resetAndDestroy();
    }
    await gateway.until(() => gateway.plane.figures().connections === 0);
    assert.deepEqual(gateway.closed, { malformed: 3, headers_timeout: 1 });
  });

  test('without requests are closed after the keep-alive time, and told of it before', async () => {
    await using gateway = await TestGateway.start({ settings: { keepAliveSecs: 1 } });
    using client = await gateway.connect();
    client.get('/hello');
    assert.equal((await client.response()).headers.get('keep-alive'), 'timeout=1');
    await client.closed();
    assert.equal(client.reset, false);
    assert.deepEqual(gateway.closed, { idle: 1 });
  });

  test('are not idle while the body of a request still comes, though that was answered', async () => {
    const clock = new ManualClock();
    await using gateway = await TestGateway.start({ clock, settings: { keepAliveSecs: 10, headersTimeoutSecs: 10 } });
    using client = await gateway.connect();
    client.send(`${UPLOAD}abc`);
    assertError(await client.response(), 'route_not_found');
    await clock.advance(60_000);
    client.send('defghij');
    client.get('/hello');
    assert.equal((await client.response()).status, 200);
  });

  test('are not kept open by empty lines in front of a request that never comes', async () => {
    const settings = { keepAliveSecs: 0.2, headersTimeoutSecs: 0.2, sendStallSecs: 0.2 };
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    client.get('/hello');
    await client.response();
    await drip(client.socket, '\r\n');
    assert.deepEqual(gateway.closed, { idle: 1 });
  });

  test('whose replies nobody takes are closed when the process ends, and counted', async () => {
    const body = Buffer.alloc(64 * MEBIBYTE);
    const handler: ManualHandler = (_parts, settle) =>
      settle({ kind: 'reply', reply: { status: 200, headers: [], body } });
    await using gateway = await TestGateway.start({ handler, settings: { drainTimeoutSecs: 0 } });
    using client = await gateway.connect();
    client.socket.pause();
    client.get('/hello');
    await gateway.until(() => gateway.plane.figures().requestsTotal === 1);
    const figures = await gateway.plane.shutdown({});
    assert.deepEqual([figures.connections, figures.connectionsClosed['shutdown']], [0, 1]);
  });
});

test('the header limit is the one that is set', async () => {
  const withHeaders = (bytes: number): string => `GET /hello HTTP/1.1\r\nHost: test\r\na: ${'x'.repeat(bytes)}\r\n\r\n`;
  for (const headersKbMax of [1, 64]) {
    await using gateway = await TestGateway.start({ settings: { headersKbMax } });
    assert.equal((await gateway.send(withHeaders(headersKbMax * 1024 - 200))).status, 200);
    assertError(await gateway.send(withHeaders(headersKbMax * 1024)), 'headers_too_large');
    assert.deepEqual(gateway.closed, { malformed: 1 });
  }
});

test('what is too large to be handed on is refused, where the limit of all headers together would allow it', async () => {
  const endpoints = [endpointSpec('any', { path: '/{path...}' })];
  await using gateway = await TestGateway.start({ endpoints, settings: { headersKbMax: 1_024 } });
  const request = (path: string, headers = ''): string => `GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`;
  assert.equal((await gateway.send(request('/a', `a: ${'x'.repeat(65_535)}\r\n`))).status, 200);
  assert.equal((await gateway.send(request(`/${'x'.repeat(65_535)}`))).status, 200);
  assert.equal((await gateway.send(request('/a', 'a: \r\n'.repeat(60_000)))).status, 200);
  assertError(await gateway.send(request('/a', `a: ${'x'.repeat(65_536)}\r\n`)), 'headers_too_large');
  assertError(await gateway.send(request(`/${'x'.repeat(65_536)}`)), 'headers_too_large');
  assertError(await gateway.send(request('/a', 'a: \r\n'.repeat(65_536))), 'headers_too_large');
});

test('headers may not take longer than the request they belong to', () => {
  const limits = clientLimits({ ...TEST_SETTINGS, headersTimeoutSecs: 20, receiveTimeoutSecs: 1.5 });
  assert.deepEqual([limits.headersTimeoutMs, limits.receiveTimeoutMs], [1_500, 1_500]);
});

test('limits are looked after several times while they last, and at least every two seconds', () => {
  assert.deepEqual([1, 1_000, 30_000].map(checkEveryMs), [1, 250, 2_000]);
});
