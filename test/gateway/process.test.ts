import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, test } from 'node:test';
import { EXIT_STATUS } from '../../src/errors.ts';
import type { ControlCallName, ControlCalls, GatewayToSupervisor, ProcessFigures } from '../../src/protocol/control.ts';
import { FlipPage } from '../../src/supervisor/fleet/flip-page.ts';
import { closeSocket, openListeningSocket } from '../../src/supervisor/libc.ts';
import { RawClient } from './raw-client.ts';
import { TEST_SETTINGS } from '../support/data-plane-settings.ts';
import { endpointSpec } from './test-gateway.ts';

const MAIN = fileURLToPath(new URL('../../src/main.ts', import.meta.url));

/** A gateway process as the supervisor starts it, with a supervisor that can be taken away. */
class ProcessUnderTest {
  readonly child: ChildProcess;
  readonly port: number;
  readonly status: Promise<number | null>;
  readonly #fd: number;
  #calls = 0;

  constructor() {
    const { fd, port } = openListeningSocket({ family: 4, bytes: [127, 0, 0, 1] }, 0, 16);
    this.#fd = fd;
    const flips = FlipPage.open();
    this.port = port;
    this.child = spawn(process.execPath, [MAIN, '--gateway-process'], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc', fd, 'ignore', flips.fd],
      serialization: 'advanced',
      env: {},
    });
    closeSync(flips.fd);
    this.status = once(this.child, 'exit').then(([status]) => status as number | null);
  }

  async call<N extends ControlCallName>(kind: N, request: ControlCalls[N]['request']): Promise<GatewayToSupervisor> {
    const call = ++this.#calls;
    this.child.send({ kind, call, ...request });
    for (;;) {
      const [message] = (await once(this.child, 'message')) as [GatewayToSupervisor];
      if ('call' in message && message.call === call) return message;
    }
  }

  start(): Promise<GatewayToSupervisor> {
    const endpoints = [endpointSpec('up', { method: 'POST' }, null)];
    return this.call('start', { settings: TEST_SETTINGS, guardPath: null, version: 1, endpoints, bindsAtOnce: 4 });
  }

  [Symbol.dispose](): void {
    this.child.kill('SIGKILL');
    closeSocket(this.#fd);
  }
}

describe('a gateway process', () => {
  test('answers the connections that waited in the socket before it accepted', async () => {
    using gateway = new ProcessUnderTest();
    using early = await RawClient.connect(gateway.port);
    early.get('/nowhere');
    assert.deepEqual(await gateway.start(), { kind: 'answer', call: 1, answer: { failed: [] } });
    await gateway.call('accept', { crashRows: [] });
    assert.equal((await early.response()).status, 404);
  });

  test('ignores SIGTERM and SIGINT: the supervisor tells it', async () => {
    using gateway = new ProcessUnderTest();
    await gateway.start();
    await gateway.call('accept', { crashRows: [] });
    gateway.child.kill('SIGTERM');
    gateway.child.kill('SIGINT');
    using client = await RawClient.connect(gateway.port);
    client.get('/nowhere');
    assert.equal((await client.response()).status, 404);
  });

  test('told to shut down answers with its last figures and ends with status 0', async () => {
    using gateway = new ProcessUnderTest();
    await gateway.start();
    await gateway.call('accept', { crashRows: [] });
    using client = await RawClient.connect(gateway.port);
    client.get('/nowhere');
    await client.response();
    const message = await gateway.call('shutdown', {});
    const figures = message.kind === 'answer' ? (message.answer as ProcessFigures) : null;
    assert.deepEqual(figures?.unrouted, { '4xx': 1 });
    assert.equal(await gateway.status, 0);
    await client.closed();
    assert.equal(client.reset, false);
  });

  test('says so when it is called before it was started', async () => {
    using gateway = new ProcessUnderTest();
    const message = await gateway.call('figures', {});
    assert.equal(message.kind, 'failed');
  });

  test('that accepts nothing yet ends at once when the supervisor is gone', async () => {
    using gateway = new ProcessUnderTest();
    await gateway.start();
    gateway.child.disconnect();
    assert.equal(await gateway.status, 0);
  });

  test('without a supervisor accepts what waits, finishes what it has, closes the socket and ends', async () => {
    using gateway = new ProcessUnderTest();
    await gateway.start();
    await gateway.call('accept', { crashRows: [] });
    using upload = await RawClient.connect(gateway.port);
    upload.send('POST /up HTTP/1.1\r\nHost: t\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n');
    assert.equal((await upload.response()).status, 100);
    gateway.child.kill('SIGSTOP');
    using late = await RawClient.connect(gateway.port);
    late.get('/nowhere');
    gateway.child.disconnect();
    gateway.child.kill('SIGCONT');
    assert.equal((await late.response()).status, 404);
    upload.send('ok');
    assert.equal((await upload.response()).status, 503);
    assert.equal(await gateway.status, 0);
    await late.closed();
    assert.equal(late.reset, false);
  });

  test('that meets a fault of its own says so and ends with a status that is not 0', async () => {
    using gateway = new ProcessUnderTest();
    await gateway.start();
    const said = once(gateway.child, 'message') as Promise<[GatewayToSupervisor]>;
    gateway.child.send(null as never);
    const [event] = await said;
    assert.deepEqual([event.kind, event.kind === 'log' && event.level], ['log', 'error']);
    assert.equal(await gateway.status, EXIT_STATUS.software);
  });
});
