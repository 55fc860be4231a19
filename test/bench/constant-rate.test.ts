/** The load generator sees what a client sees that does not wait: a stall delays all that was due during it. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, before, test } from 'node:test';
import { constantRate, failures, prepareConstantRate } from '../../bench/load/constant-rate.ts';
import { jsonOf } from '../../bench/load/request.ts';

const STALL_MS = 500;

let server: Server;
let url = '';
let stallAfter = Number.POSITIVE_INFINITY;
let answered = 0;

before(async () => {
  await prepareConstantRate();
  server = createServer((request, response) => {
    answered += 1;
    if (answered === stallAfter) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, STALL_MS);
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => {
      if (request.url === '/missing') response.statusCode = 404;
      // Without a length Node sends chunks.
      response.write(`${request.url}:`);
      response.end(Buffer.concat(chunks));
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
after(() => {
  server.close();
  server.closeAllConnections();
});

test('every request that was due during a stall is late, not the one alone that met it', async () => {
  [answered, stallAfter] = [0, 20];
  const result = await constantRate(url, { path: '/' }, { connections: 1, rate: 100, seconds: 1 });
  assert.equal(result.requests, 100);
  assert.equal(failures(result), 0);
  assert.ok(result.maxUs >= STALL_MS * 1000);
  // Of the hundred, fifty were due in those 500 ms: the one in the middle of these is late by 250 ms.
  assert.ok(result.p90Us > 200_000, `p90 ${result.p90Us} µs`);
});

test('a client that waits for its answer sees the same stall once', async () => {
  [answered, stallAfter] = [0, 20];
  const result = await constantRate(url, { path: '/' }, { connections: 1, rate: 0, seconds: 1 });
  assert.ok(result.requests > 40, `${result.requests} requests`);
  assert.ok(result.maxUs >= STALL_MS * 1000, `${result.maxUs} µs`);
  assert.ok(result.p90Us < 200_000, `p90 ${result.p90Us} µs`);
});

test('what was due and could not be sent in time counts as not answered', async () => {
  [answered, stallAfter] = [0, 20];
  const options = { connections: 1, rate: 100, seconds: 0.4, patienceSeconds: 0 };
  const result = await constantRate(url, { path: '/' }, options);
  assert.equal(result.requests, 40);
  assert.ok((result.statuses['0'] ?? 0) > 10);
});

test('statuses are counted, bodies sent and paths varied', async () => {
  stallAfter = Number.POSITIVE_INFINITY;
  const seen = new Set<string>();
  server.on('request', request => seen.add(`${request.method} ${request.url}`));
  const few = { connections: 2, rate: 50, seconds: 0.5 };
  const missing = await constantRate(url, { path: '/missing' }, few);
  assert.deepEqual(missing.statuses, { 404: missing.requests });
  assert.equal(failures(missing), missing.requests);
  await constantRate(url, { path: '/{n}', variety: 3, body: jsonOf(1024) }, few);
  for (const path of ['POST /0', 'POST /1', 'POST /2']) assert.ok(seen.has(path), path);
});

test('documents have exactly the size that was asked for', () => {
  for (const bytes of [100, 1024, 65_536]) {
    assert.equal(jsonOf(bytes).length, bytes);
    JSON.parse(jsonOf(bytes));
  }
});
