import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect, createServer } from 'node:net';
import { test } from 'node:test';
import { StartupError } from '../../src/errors.ts';
import { ListeningSocket } from '../../src/supervisor/listening-socket.ts';

const portOf = (socket: ListeningSocket): number => Number(new URL(socket.url).port);

test('port 0 takes a free port and shows it', async () => {
  const socket = await ListeningSocket.open('127.0.0.1', 0);
  assert.match(socket.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  assert.ok(portOf(socket) > 0);
  socket.close();
});

test('a client connects although nobody accepts yet', async () => {
  const socket = await ListeningSocket.open('127.0.0.1', 0);
  const client = connect(portOf(socket), '127.0.0.1');
  await once(client, 'connect');
  client.destroy();
  socket.close();
});

test('IPv6 addresses and names are taken too, and shown as a client writes them', async () => {
  const six = await ListeningSocket.open('::1', 0);
  assert.match(six.url, /^http:\/\/\[::1\]:\d+$/);
  const named = await ListeningSocket.open('localhost', 0);
  assert.match(named.url, /^http:\/\/localhost:\d+$/);
  const every = await ListeningSocket.open('0.0.0.0', 0);
  assert.match(every.url, /^http:\/\/127\.0\.0\.1:\d+$/);
  for (const socket of [six, named, every]) socket.close();
});

test('a taken port is an error that names the address', async () => {
  const first = await ListeningSocket.open('127.0.0.1', 0);
  const port = portOf(first);
  await assert.rejects(
    ListeningSocket.open('127.0.0.1', port, 60),
    (error: unknown) => error instanceof StartupError && error.message.includes(`127.0.0.1:${port}`),
  );
  first.close();
});

test('a port that becomes free in time is taken', async () => {
  const holder = createServer();
  holder.listen(0, '127.0.0.1');
  await once(holder, 'listening');
  const address = holder.address();
  const port = typeof address === 'object' && address !== null ? address.port : 0;
  const opening = ListeningSocket.open('127.0.0.1', port, 5_000);
  holder.close();
  const socket = await opening;
  assert.equal(portOf(socket), port);
  socket.close();
});

test('a name that cannot be resolved is an error that names it', async () => {
  await assert.rejects(ListeningSocket.open('no-such-name.invalid', 0), /no-such-name\.invalid/);
});

test('an address this machine does not have is an error that names it', async () => {
  await assert.rejects(ListeningSocket.open('192.0.2.1', 0, 0), /192\.0\.2\.1:0: this machine does not have it/);
});
