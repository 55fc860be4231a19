/** The limits on clients as an operator sets them: each reaches the listener, and shows in the metrics. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { assertError } from '../gateway/assert-error.ts';
import { RawClient } from '../gateway/raw-client.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway } from '../support/gateway.ts';

const LARGE = `use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub fn handle() -> Response {
    Response::binary(200, vec![b'x'; 12 * 1024 * 1024], "application/octet-stream")
}
`;

let gateway: RunningGateway;
before(async () => {
  gateway = await RunningGateway.start({
    settings: {
      CONNECTIONS_MAX: '3',
      HEADERS_KB_MAX: '1',
      HEADERS_TIMEOUT_SECS: '1',
      RECEIVE_TIMEOUT_SECS: '1.5',
      SEND_STALL_SECS: '1',
      KEEP_ALIVE_SECS: '1',
    },
  });
  await gateway.deploy('large', { code: LARGE, method: 'ANY' });
});
after(() => gateway[Symbol.asyncDispose]());

const connect = (): Promise<RawClient> => RawClient.connect(Number(new URL(gateway.url).port));

/** Waits until the metrics say that so many connections were closed for this reason, and that none is open. */
function closedFor(reason: string, count: number): Promise<true> {
  return eventually(`${count} closed for ${reason}`, async () => {
    const metrics = await gateway.metrics();
    const isClosed = metrics.includes(`rust_edge_gateway_connections_closed_total{reason="${reason}"} ${count}\n`);
    return isClosed && /^rust_edge_gateway_connections 0$/m.test(metrics);
  });
}

test('slow headers', async () => {
  using client = await connect();
  client.send('GET /large HTTP/1.1\r\n');
  assertError(await client.response(), 'request_timeout');
  client.socket.end();
  await closedFor('headers_timeout', 1);
});

test('a slow body, which is counted under its endpoint', async () => {
  using client = await connect();
  client.send('POST /large HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na');
  assertError(await client.response(), 'request_timeout');
  client.socket.end();
  await closedFor('receive_timeout', 1);
  assert.match(await gateway.metrics(), /requests_total\{endpoint="large",status="4xx"\} 1\n/);
});

test('a reader that takes nothing', async () => {
  using client = await connect();
  client.socket.pause();
  client.get('/large');
  await closedFor('send_stall', 1);
});

test('an idle connection', async () => {
  using client = await connect();
  client.get('/nowhere');
  assert.equal((await client.response()).headers.get('keep-alive'), 'timeout=1');
  await client.closed();
  client.socket.end();
  await closedFor('idle', 1);
});

test('too large headers', async () => {
  using client = await connect();
  client.get('/large', `a: ${'x'.repeat(2_000)}\r\n`);
  assertError(await client.response(), 'headers_too_large');
  client.socket.end();
  await closedFor('malformed', 1);
});

test('too many connections', async () => {
  const clients = await Promise.all([connect(), connect(), connect(), connect()]);
  await Promise.any(clients.map(client => client.closed()));
  for (const client of clients) client.socket.destroy();
  await closedFor('too_many', 1);
});
