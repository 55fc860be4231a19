/** Headers as the gateway looks at them, against Node's own reading of the same. */
import assert from 'node:assert/strict';
import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';
import { test } from 'node:test';
import fc from 'fast-check';
import { readHeadersNeeded } from '../../src/gateway/headers-needed.ts';

const NEEDED = [
  'host',
  'expect',
  'x-request-id',
  'content-length',
  'x-forwarded-for',
  'x-forwarded-host',
  'transfer-encoding',
];

/** What Node makes of them, as far as the gateway reads it. */
function asNodeReads(rawHeaders: readonly string[]): Record<string, unknown> {
  const incoming = new IncomingMessage(new Socket());
  const internal = incoming as unknown as { _addHeaderLines(headers: readonly string[], count: number): void };
  internal._addHeaderLines(rawHeaders, rawHeaders.length);
  return Object.fromEntries(Object.entries(incoming.headers).filter(([name]) => NEEDED.includes(name)));
}

const anyCase = (name: string): fc.Arbitrary<string> =>
  fc.mixedCase(fc.constant(name), { toggleCase: letter => letter.toUpperCase() });
const name = fc.oneof(
  fc.constantFrom(...NEEDED).chain(anyCase),
  fc.constantFrom('accept', 'accept-encoding', 'user-agent', 'x-request-i', 'x-forwarded-fox', 'cookie'),
);
const value = fc.constantFrom('', 'a', 'a, b', '12', 'chunked');

test('the headers that are needed are read as Node reads them, whatever their number, order and case', () => {
  fc.assert(
    fc.property(fc.array(fc.tuple(name, value), { maxLength: 12 }), pairs => {
      const rawHeaders = pairs.flat();
      assert.deepEqual({ ...readHeadersNeeded(rawHeaders) }, asNodeReads(rawHeaders));
    }),
    { numRuns: 2_000 },
  );
});
