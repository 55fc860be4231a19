import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { describe, test } from 'node:test';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { checkEveryMs, clientLimits } from '../../src/gateway/client-limits.ts';
import { SendWatch } from '../../src/gateway/send-stall.ts';
import type { CloseReason } from '../../src/serving/process-figures.ts';
import { ManualClock } from '../serving/manual-clock.ts';
import { replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { TEST_SETTINGS } from '../support/data-plane-settings.ts';
import { assertError } from './assert-error.ts';
import { endpointSpec, TestGateway } from './test-gateway.ts';

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

const MEBIBYTE = 1024 * 1024;
const uploads = [endpointSpec('upload', { method: 'POST' })];
const UPLOAD = 'POST /upload HTTP/1.1\r\nHost: test\r\nContent-Length: 10\r\n\r\n';

/** Counts of closed connections that are not 0. */
function closed(gateway: TestGateway): Partial<Record<CloseReason, number>> {
  const counts = Object.entries(gateway.plane.figures().connectionsClosed).filter(([, count]) => count > 0);
  return Object.fromEntries(counts);
}

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
    assert.deepEqual(closed(gateway), { headers_timeout: 1 });
    assert.deepEqual(gateway.plane.figures().unrouted, { '4xx': 1 });
  });

  test('gains no time by sending a little now and then', async () => {
    await using gateway = await TestGateway.start({ settings });
    using client = await gateway.connect();
    client.send('GET /hello HTTP/1.1\r\nHost: test\r\n');
    await drip(client.socket, 'a: b\r\n');
    assertError(await client.response(), 'request_timeout');
    assert.deepEqual(closed(gateway), { headers_timeout: 1 });
  });

  test('gets the answer to the request before first', async () => {
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('first')));
    await using gateway = await TestGateway.start({ settings, handler });
    using client = await gateway.connect();
    client.get('/hello');
    client.send('GET /hel');
    await gateway.until(() => closed(gateway).headers_timeout === 1);
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
    assert.deepEqual(closed(gateway), { headers_timeout: 1 });
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
    assert.deepEqual(closed(gateway), { receive_timeout: 1 });
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
    assert.deepEqual(closed(gateway), { receive_timeout: 1 });
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

describe('a client that reads slowly', () => {
  const large: ManualHandler = (_parts, settle) =>
    settle({ kind: 'reply', reply: { status: 200, headers: [], body: Buffer.alloc(64 * MEBIBYTE) } });

  /** Asks for the large reply and takes nothing of it yet. */
  async function ask(gateway: TestGateway) {
    const socket = connect({ port: gateway.port, host: '127.0.0.1' });
    await once(socket, 'connect');
    const reading = { socket, bytes: 0, error: null as NodeJS.ErrnoException | null };
    socket.on('error', error => (reading.error = error));
    socket.write('GET /hello HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n');
    await gateway.until(() => gateway.plane.figures().requestsTotal === 1);
    return reading;
  }

  async function read(reading: Awaited<ReturnType<typeof ask>>, bytesMin: number): Promise<void> {
    const end = reading.bytes + bytesMin;
    await new Promise<void>(resolve => {
      const onData = (chunk: Buffer): void => {
        reading.bytes += chunk.length;
        if (reading.bytes >= end) finish();
      };
      const finish = (): void => {
        reading.socket.off('data', onData).off('close', finish).pause();
        resolve();
      };
      reading.socket.on('data', onData).on('close', finish).resume();
    });
  }

  test('but takes something now and then gets everything', async () => {
    const clock = new ManualClock();
    await using gateway = await TestGateway.start({ handler: large, clock, settings: { sendStallSecs: 30 } });
    const reading = await ask(gateway);
    for (let step = 0; step < 12; step++) {
      await clock.advance(20_000);
      await read(reading, MEBIBYTE);
    }
    await read(reading, Number.POSITIVE_INFINITY);
    assert.equal(reading.error, null);
    assert.ok(reading.bytes > 64 * MEBIBYTE);
    assert.deepEqual(closed(gateway), {});
  });

  test('and stops is disconnected', async () => {
    const clock = new ManualClock();
    await using gateway = await TestGateway.start({ handler: large, clock, settings: { sendStallSecs: 30 } });
    const reading = await ask(gateway);
    await clock.advance(20_000);
    await read(reading, 4 * MEBIBYTE);
    await clock.advance(10_000);
    await gateway.until(() => {
      void clock.advance(1_000);
      return closed(gateway).send_stall === 1;
    });
    await read(reading, Number.POSITIVE_INFINITY);
    assert.equal(reading.error?.code, 'ECONNRESET');
    assert.equal(gateway.plane.figures().connections, 0);
  });

  test('holds no memory any more once it is disconnected', async () => {
    const bodies: WeakRef<Buffer>[] = [];
    const handler: ManualHandler = (_parts, settle) => {
      const body = Buffer.alloc(64 * MEBIBYTE);
      bodies.push(new WeakRef(body));
      settle({ kind: 'reply', reply: { status: 200, headers: [], body } });
    };
    await using gateway = await TestGateway.start({ handler, settings: { sendStallSecs: 0.2 } });
    await ask(gateway);
    collectGarbage();
    assert.ok(bodies[0]?.deref(), 'the unsent rest is held while the client may still take it');
    await gateway.until(() => closed(gateway).send_stall === 1);
    await gateway.until(() => {
      collectGarbage();
      return bodies[0]?.deref() === undefined;
    });
  });

  test('and pipelines is disconnected with all its replies, those that wait behind and those still being made', async () => {
    const clock = new ManualClock();
    const handler: ManualHandler = (parts, settle, pool) => {
      if (parts.path !== '/never') large(parts, settle, pool);
    };
    const endpoints = [endpointSpec('any', { path: '/{path...}' })];
    await using gateway = await TestGateway.start({ handler, clock, endpoints });
    using client = await gateway.connect();
    client.socket.pause();
    client.get('/1');
    client.get('/2');
    client.get('/never');
    await gateway.until(() => gateway.plane.figures().requestsTotal === 2);
    assert.equal(gateway.plane.figures().inFlight, 1);
    await gateway.until(() => {
      void clock.advance(1_000);
      return closed(gateway).send_stall === 1;
    });
    await gateway.until(() => gateway.plane.figures().inFlight === 0);
    assert.equal(gateway.plane.figures().connections, 0);
  });

  test('is not mistaken for one whose handler works, or that has nothing to ask', async () => {
    const clock = new ManualClock();
    const gate = Promise.withResolvers<void>();
    const handler: ManualHandler = (_parts, settle) => void gate.promise.then(() => settle(replyWith('worked')));
    const endpoints = [{ ...endpointSpec('work', {}), timeoutMs: 1_000_000 }];
    await using gateway = await TestGateway.start({ handler, endpoints, clock, settings: { sendStallSecs: 1 } });
    using working = await gateway.connect();
    using idle = await gateway.connect();
    idle.get('/nowhere');
    assert.equal((await idle.response()).status, 404);
    working.get('/work');
    await gateway.requestsInFlight(1);
    await clock.advance(60_000);
    gate.resolve();
    assert.equal((await working.response()).body, 'worked');
    idle.get('/nowhere');
    assert.equal((await idle.response()).status, 404);
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
    assert.deepEqual(closed(gateway), { too_many: 1 });
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
    assert.deepEqual(closed(gateway), { malformed: 3, headers_timeout: 1 });
  });

  test('without requests are closed after the keep-alive time, and told of it before', async () => {
    await using gateway = await TestGateway.start({ settings: { keepAliveSecs: 1 } });
    using client = await gateway.connect();
    client.get('/hello');
    assert.equal((await client.response()).headers.get('keep-alive'), 'timeout=1');
    await client.closed();
    assert.equal(client.reset, false);
    assert.deepEqual(closed(gateway), { idle: 1 });
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
    assert.deepEqual(closed(gateway), { idle: 1 });
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
    assert.deepEqual(closed(gateway), { malformed: 1 });
  }
});

test('headers may not take longer than the request they belong to', () => {
  const limits = clientLimits({ ...TEST_SETTINGS, headersTimeoutSecs: 20, receiveTimeoutSecs: 1.5 });
  assert.deepEqual([limits.headersTimeoutMs, limits.receiveTimeoutMs], [1_500, 1_500]);
});

test('limits are looked after several times while they last, and at least every two seconds', () => {
  assert.deepEqual([1, 1_000, 30_000].map(checkEveryMs), [1, 250, 2_000]);
});

describe('a send watch', () => {
  test('counts from the last progress, and from the start again when everything was sent', () => {
    const watch = new SendWatch();
    const looks: readonly [nowMs: number, unsent: number, taken: number, stalledMs: number][] = [
      [0, 0, 0, 0],
      [10, 100, 5, 0],
      [20, 100, 5, 10],
      [30, 100, 6, 0],
      [50, 100, 6, 20],
      [60, 0, 106, 0],
      [70, 100, 106, 0],
      [75, 100, 106, 5],
    ];
    for (const [nowMs, unsent, taken, stalledMs] of looks) {
      assert.equal(
        watch.stalledMs(nowMs, unsent, () => taken),
        stalledMs,
        `at ${nowMs}`,
      );
    }
  });

  test('does not ask what was taken while nothing is unsent', () => {
    const never = (): number => assert.fail('asked');
    assert.equal(new SendWatch().stalledMs(0, 0, never), 0);
  });
});
