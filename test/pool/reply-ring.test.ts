import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MessageChannel, receiveMessageOnPort } from 'node:worker_threads';
import { RECORD } from '../../src/protocol/frame.ts';
import { DOORBELL, DOORBELL_BYTES, POOL_RECORD } from '../../src/protocol/ring.ts';
import { ReplyRing } from '../../src/pool/ring/reply-ring.ts';
import { ReplySink } from '../../workers/reply-sink.ts';

function ringWithSink() {
  const ring = new ReplyRing();
  const doorbell = new SharedArrayBuffer(DOORBELL_BYTES);
  const { port1, port2 } = new MessageChannel();
  const sink = new ReplySink(ring.memory, doorbell, port2);
  const onPort = (): Buffer | null => {
    const received = receiveMessageOnPort(port1);
    return received === undefined ? null : Buffer.from((received.message as { record: ArrayBuffer }).record);
  };
  const drained = (recordsMax?: number): Buffer[] => {
    const records: Buffer[] = [];
    ring.drain((source, offset) => {
      records.push(Buffer.from(source.subarray(offset, offset + source.readUInt32LE(offset))));
    }, recordsMax);
    return records;
  };
  const close = (): void => port1.close();
  return { ring, sink, doorbell: new Int32Array(doorbell), onPort, drained, close };
}

/** A record whose content tells its number and length. */
function recordOf(number: number, length: number): Buffer {
  const record = Buffer.alloc(length, number % 251);
  record.writeUInt32LE(length, 0);
  record.writeUInt32LE(RECORD.reply, 4);
  record.writeUInt32LE(number, 8);
  return record;
}

describe('a reply ring', () => {
  it('carries records of any length through many rounds, in order', () => {
    const { ring, sink, onPort, drained, close } = ringWithSink();
    let number = 0;
    for (let round = 0; round < 3_000; round++) {
      const sent = Array.from({ length: 1 + (round % 3) }, () => recordOf(++number, 12 + ((number * 7_919) % 60_000)));
      for (const record of sent) sink.record(record, 0, record.length);
      assert.deepEqual(drained(), sent);
    }
    assert.equal(onPort(), null);
    assert.equal(ring.isEmpty, true);
    close();
  });

  it('hands out no more than is asked for, and the rest the next time', () => {
    const { ring, sink, drained, close } = ringWithSink();
    const sent = Array.from({ length: 10 }, (_, index) => recordOf(index, 20 + index));
    for (const record of sent) sink.record(record, 0, record.length);
    assert.deepEqual(drained(4), sent.slice(0, 4));
    assert.equal(ring.isEmpty, false);
    assert.deepEqual(drained(4), sent.slice(4, 8));
    assert.deepEqual(drained(4), sent.slice(8));
    assert.equal(ring.isEmpty, true);
    close();
  });

  it('sends over the port what does not fit, and loses nothing', () => {
    const { sink, onPort, drained, close } = ringWithSink();
    const sent = Array.from({ length: 20 }, (_, index) => recordOf(index, 30_000 + index));
    for (const record of sent) sink.record(record, 0, record.length);
    const inRing = drained();
    const transferred: Buffer[] = [];
    for (let record = onPort(); record !== null; record = onPort()) transferred.push(record);
    assert.ok(inRing.length > 0 && transferred.length > 0);
    assert.deepEqual([...inRing, ...transferred], sent);
    close();
  });

  it('sends a large record over the port even when there is room', () => {
    const { sink, onPort, drained, close } = ringWithSink();
    const large = recordOf(1, 200_000);
    sink.record(large, 0, large.length);
    assert.deepEqual(drained(), []);
    assert.deepEqual(onPort(), large);
    close();
  });

  it("carries the pool's own records", () => {
    const { sink, drained, close } = ringWithSink();
    sink.suspended(1);
    sink.lost(2, 'handler_memory_exceeded');
    sink.dropped(3);
    const records = drained().map(record => [record[4], record.readUInt32LE(8), record.length]);
    assert.deepEqual(records, [
      [POOL_RECORD.suspended, 1, 12],
      [POOL_RECORD.lost, 2, 16],
      [RECORD.dropped, 3, 12],
    ]);
    close();
  });

  it('rings once for a sleeping main thread, and not for one that is awake', () => {
    const { sink, doorbell, close } = ringWithSink();
    sink.suspended(1);
    assert.equal(doorbell[0], DOORBELL.awake);
    Atomics.store(doorbell, 0, DOORBELL.asleep);
    sink.suspended(2);
    assert.equal(doorbell[0], DOORBELL.awake);
    close();
  });
});
