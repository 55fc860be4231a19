/** The head of a reply that the gateway writes itself, held against the one that Node writes. */
import assert from 'node:assert/strict';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { once } from 'node:events';
import { connect, type AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import fc from 'fast-check';
import { setHead } from '../../src/gateway/reply/reply-head.ts';
import { WRITTEN_ELSEWHERE } from '../../src/gateway/reply/written-elsewhere.ts';

interface Answer {
  readonly status: number;
  readonly headers: readonly string[];
  readonly body: string | Buffer;
  readonly keepAliveTimeout: number;
}

type Write = (incoming: IncomingMessage, outgoing: ServerResponse, answer: Answer) => void;

const BY_NODE: Write = (_incoming, outgoing, { status, headers }) => outgoing.writeHead(status, [...headers]);
const BY_GATEWAY: Write = (incoming, outgoing, { status, headers }) => setHead(incoming, outgoing, status, headers);

/** All bytes that a server which writes heads in this way sends for `requests`, which end with one that closes. */
async function sent(write: Write, requests: string, answer: Answer): Promise<string> {
  const server = createServer({ keepAliveTimeout: answer.keepAliveTimeout }, (incoming, outgoing) => {
    write(incoming, outgoing, answer);
    if (typeof answer.body === 'string') outgoing.end(answer.body, 'latin1');
    else outgoing.end(answer.body);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const client = connect((server.address() as AddressInfo).port, '127.0.0.1');
  client.setEncoding('latin1').write(requests);
  const all = await text(client);
  server.close();
  return all.replaceAll(/^Date: [A-Z][a-z]{2}, \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/gm, 'Date: now');
}

const GET = 'GET / HTTP/1.1\r\nHost: x\r\n\r\n';
const CLOSING = 'GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
const OLD = 'GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n';

const value = fc.oneof(fc.constantFrom('text/plain', ''), fc.stringMatching(/^[!-~\xa1-\xff]{1,20}$/));
const name = fc.oneof(
  fc.constantFrom('content-type', 'Content-Type', 'x-a', 'ETag', 'set-cookie', 'location', 'vary'),
  fc.constantFrom('date', 'Date', 'content-disposition', 'expect'),
);
const header = fc.oneof(
  { arbitrary: fc.tuple(name, value), weight: 9 },
  // Another one would leave the connection open, whose end the test waits for.
  { arbitrary: fc.constant(['connection', 'close'] as const), weight: 1 },
);
const answers = fc.record({
  status: fc.constantFrom(200, 201, 299, 404, 500, 599),
  named: fc.array(header, { maxLength: 4 }),
  body: fc.constantFrom('hello', 'x'.repeat(5_000), Buffer.alloc(20_000, 'b')),
  keepAliveTimeout: fc.constantFrom(0, 5_000, 65_432),
  requests: fc.constantFrom(GET + CLOSING, CLOSING, GET + GET + CLOSING, OLD + CLOSING),
});

test('is byte for byte what Node writes', async () => {
  await fc.assert(
    fc.asyncProperty(answers, async ({ status, named, body, keepAliveTimeout, requests }) => {
      const headers = [...named.flat(), 'x-request-id', 'a', 'content-length', String(body.length)];
      const answer = { status, headers, body, keepAliveTimeout };
      const [ours, theirs] = [await sent(BY_GATEWAY, requests, answer), await sent(BY_NODE, requests, answer)];
      assert.equal(ours, theirs);
      assert.match(ours, /^HTTP\/1\.1 \d{3} /);
    }),
    { numRuns: 150 },
  );
});

test('node-server’s own response is taken without a trace', () => {
  assert.notEqual(WRITTEN_ELSEWHERE.constructor, Response);
  assert.equal(new Response('x').constructor, Response);
  assert.ok(new Request('http://x/') instanceof Request);
});
