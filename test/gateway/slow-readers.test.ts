import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { describe, test } from 'node:test';
import { SendWatch } from '../../src/gateway/client/send-stall.ts';
import { collectGarbage } from '../support/garbage.ts';
import { ManualClock } from '../serving/manual-clock.ts';
import { replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { endpointSpec, TestGateway } from './test-gateway.ts';

const MEBIBYTE = 1024 * 1024;

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
    assert.deepEqual(gateway.closed, {});
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
      return gateway.closed.send_stall === 1;
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
    await gateway.until(() => gateway.closed.send_stall === 1);
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
      return gateway.closed.send_stall === 1;
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
