/** The gateway's frames against the Rust crate that handlers are built with: what one writes, the other reads. */
import assert from 'node:assert/strict';
import { isUtf8 } from 'node:buffer';
import { execFileSync, spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  RECORD_HEADER_BYTES,
  readReply,
  requestFrameBytes,
  writeRequestFrame,
  type Reply,
  type RequestParts,
} from '../../src/protocol/frame.ts';
import { ROOT } from '../support/source-tree.ts';

const manifest = join(ROOT, 'crates/Cargo.toml');
const target = process.env['CARGO_TARGET_DIR'] ?? join(ROOT, 'crates/target');
execFileSync('cargo', ['build', '--quiet', '--example', 'frame_echo', '--manifest-path', manifest]);

interface Sent {
  readonly parts: RequestParts;
  readonly request: number;
  readonly deadlineMs: number;
}

interface Echo {
  readonly request: number;
  readonly reply: Reply | null;
}

const latin1 = fc.string({ unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCodePoint(code)) });
/** Text whose bytes are UTF-8, as the frame wants it: one character a byte. */
const utf8 = fc.string({ unit: 'binary' }).map(text => Buffer.from(text.toWellFormed()).latin1Slice());
const text = fc.oneof(latin1, utf8, fc.string());
const pairs = fc.array(fc.tuple(text, text), { maxLength: 8 }).map(list => list.flat());
const sent: fc.Arbitrary<Sent> = fc.record({
  parts: fc.record({
    method: text,
    path: text,
    query: text,
    requestId: text,
    clientIp: text,
    rawHeaders: pairs,
    params: pairs,
    body: fc.option(fc.uint8Array({ maxLength: 300 })),
  }),
  request: fc.nat({ max: 0xffff_ffff }),
  deadlineMs: fc.double({ min: 0, noNaN: true }),
});

function frameOf({ parts, request, deadlineMs }: Sent): Buffer {
  const frame = Buffer.alloc(4 + requestFrameBytes(parts));
  frame.writeUInt32LE(writeRequestFrame(frame, 4, parts, request, deadlineMs), 0);
  return frame;
}

/** What the Rust side makes of these frames. */
function echo(frames: readonly Buffer[]): Echo[] {
  const { stdout, status, stderr } = spawnSync(join(target, 'debug/examples/frame_echo'), {
    input: Buffer.concat(frames),
  });
  assert.equal(status, 0, stderr.toString());
  const echoes: Echo[] = [];
  for (let at = 0; at < stdout.length; at += stdout.readUInt32LE(at)) {
    echoes.push({ request: stdout.readUInt32LE(at + RECORD_HEADER_BYTES - 4), reply: readReply(stdout, at) });
  }
  return echoes;
}

function partsIn(body: Buffer): Buffer[] {
  const parts: Buffer[] = [];
  for (let at = 0; at < body.length;) {
    const end = at + 4 + body.readUInt32LE(at);
    parts.push(body.subarray(at + 4, end));
    at = end;
  }
  return parts;
}

const bytesOf = (latin1Text: string): Buffer => Buffer.from(latin1Text, 'latin1');

/** Both of a pair have to be UTF-8; a NUL is written as a newline. */
function headersExpected(rawHeaders: readonly string[]): string[] {
  const couples = rawHeaders.flatMap((name, at) => (at % 2 === 0 ? [[name, rawHeaders[at + 1] ?? '']] : []));
  return couples
    .filter(couple => couple.every(part => isUtf8(bytesOf(part))))
    .flat()
    .map(part => part.replaceAll('\0', '\n'));
}

function check({ parts, request, deadlineMs }: Sent, answered: Echo | undefined): void {
  assert.equal(answered?.request, request);
  assert.equal(answered.reply?.status, 200);
  assert.deepEqual(answered.reply.headers, headersExpected(parts.rawHeaders));
  const [deadline, number, ...rest] = partsIn(Buffer.from(answered.reply.body));
  assert.equal(deadline?.readDoubleLE(0), deadlineMs);
  assert.equal(number?.readUInt32LE(0), request);
  const { method, path, query, requestId, clientIp, body, rawHeaders, params } = parts;
  const expected = [method, path, query, requestId, clientIp].map(bytesOf);
  expected.push(Buffer.from(body ?? []), ...[...rawHeaders, ...params].map(bytesOf));
  assert.deepEqual(rest, expected);
}

test('frames and replies mean the same on both sides of the ABI', () => {
  fc.assert(
    fc.property(fc.array(sent, { minLength: 1, maxLength: 100 }), requests => {
      const echoes = echo(requests.map(frameOf));
      assert.equal(echoes.length, requests.length);
      requests.forEach((one, at) => check(one, echoes[at]));
    }),
    { numRuns: 50 },
  );
});

test('a frame that is cut short is no frame to Rust either', () => {
  fc.assert(
    fc.property(sent, fc.nat(), (one, cut) => {
      const frame = frameOf(one).subarray(4);
      const left = frame.subarray(0, cut % frame.length);
      const length = Buffer.alloc(4);
      length.writeUInt32LE(left.length);
      assert.equal(echo([length, left])[0]?.reply?.status, 400);
    }),
    { numRuns: 50 },
  );
});
