import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import {
  readReply,
  REPLY_HEADER_BYTES,
  requestFrameBytes,
  utf8AsLatin1,
  writeRequestFrame,
  type RequestParts,
} from '../../src/protocol/frame.ts';

/** The frame's definition, read naively: what the encoder has to agree with. */
function decode(frame: Buffer) {
  const u16 = (at: number): number => frame.readUInt16LE(at);
  const u32 = (at: number): number => frame.readUInt32LE(at);
  const pairs = u16(30) + u16(32);
  let at = 36 + pairs * 4;
  const take = (length: number): string => frame.latin1Slice(at, (at += length));
  const fixed = [u16(24), u32(16), u32(20), u16(26), u16(28)].map(take);
  const texts = Array.from({ length: pairs * 2 }, (_, index) => take(u16(36 + index * 2)));
  const body = frame.subarray(at, at + u32(12));
  assert.equal(at + body.length, frame.length);
  return {
    deadline: frame.readDoubleLE(0),
    request: u32(8),
    fixed,
    headers: texts.slice(0, u16(30) * 2),
    params: texts.slice(u16(30) * 2),
    body: [...body],
  };
}

const latin1 = fc.string({
  unit: fc.integer({ min: 0, max: 255 }).map(code => String.fromCodePoint(code)),
  maxLength: 40,
});
const pairs = fc.array(fc.tuple(latin1, latin1), { maxLength: 8 }).map(list => list.flat());

test('a request frame holds exactly what was put into it', () => {
  fc.assert(
    fc.property(
      fc.record({
        method: latin1,
        path: latin1,
        query: latin1,
        requestId: latin1,
        clientIp: latin1,
        rawHeaders: pairs,
        params: pairs,
      }),
      fc.option(fc.uint8Array({ maxLength: 64 })),
      fc.nat(),
      fc.double({ min: 0, noNaN: true }),
      fc.nat({ max: 16 }),
      (texts, body, request, deadline, offset) => {
        const parts: RequestParts = { ...texts, body };
        const target = Buffer.alloc(offset + requestFrameBytes(parts), 0xaa);
        const length = writeRequestFrame(target, offset, parts, request, deadline);
        assert.equal(length, requestFrameBytes(parts));
        assert.deepEqual(decode(target.subarray(offset)), {
          deadline,
          request,
          fixed: [parts.method, parts.path, parts.query, parts.requestId, parts.clientIp],
          headers: parts.rawHeaders,
          params: parts.params,
          body: [...(body ?? [])],
        });
      },
    ),
  );
});

test('text beyond latin1 becomes its UTF-8 bytes', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'grapheme' }), text => {
      assert.equal(Buffer.from(utf8AsLatin1(text), 'latin1').toString('utf8'), text);
    }),
  );
});

function replyRecord(status: number, headers: string, body: Buffer): Buffer {
  const record = Buffer.alloc(REPLY_HEADER_BYTES + headers.length + body.length);
  record.writeUInt32LE(record.length, 0);
  record.writeUInt8(1, 4);
  record.writeUInt16LE(status, 12);
  record.writeUInt32LE(headers.length, 16);
  record.writeUInt32LE(body.length, 20);
  record.latin1Write(headers, REPLY_HEADER_BYTES);
  body.copy(record, REPLY_HEADER_BYTES + headers.length);
  return record;
}

test('a reply record is read with its headers and a body of its own', () => {
  const record = replyRecord(201, 'a\0b\0empty\0\0', Buffer.from([0, 255, 10]));
  const reply = readReply(record, 0);
  record.fill(0);
  assert.deepEqual(reply, { status: 201, headers: ['a', 'b', 'empty', ''], body: Buffer.from([0, 255, 10]) });
});

test('a reply whose lengths or header block make no sense is refused', () => {
  const good = replyRecord(200, 'a\0b\0', Buffer.from('x'));
  const longer = Buffer.from(good);
  longer.writeUInt32LE(good.length + 8, 0);
  for (const bad of [
    longer,
    replyRecord(200, 'a\0b\0c\0', Buffer.alloc(0)),
    replyRecord(200, 'a\0b', Buffer.alloc(0)),
  ]) {
    assert.equal(readReply(bad, 0), null);
  }
  assert.notEqual(readReply(good, 0), null);
});
