/** A worker without images: answers every request with the body it came with. */
import { receiveMessageOnPort, workerData, type MessagePort } from 'node:worker_threads';
import { RECORD, REPLY_HEADER_BYTES } from '../../src/protocol/frame.ts';
import { ReplySink } from '../../workers/reply-sink.ts';
import { RequestSource } from '../../workers/request-source.ts';

export interface EchoWorkerData {
  readonly ring: SharedArrayBuffer;
  readonly replies: SharedArrayBuffer;
  readonly doorbell: SharedArrayBuffer;
  readonly port: MessagePort;
  readonly worker: number;
}

const { ring, replies, doorbell, port, worker } = workerData as EchoWorkerData;
const source = new RequestSource(ring, worker, doorbell);
const sink = new ReplySink(replies, doorbell, port);

for (;;) {
  if (source.takeControlSignal() && receiveMessageOnPort(port) !== undefined) break;
  const slot = source.claim();
  if (slot === -1) {
    source.block(true);
    continue;
  }
  const frame = source.frame(slot);
  const frameBytes = source.frameBytes(slot) ?? 0;
  const body = frame.subarray(frameBytes - frame.readUInt32LE(12), frameBytes);
  const record = Buffer.alloc(REPLY_HEADER_BYTES + body.length);
  record.writeUInt32LE(record.length, 0);
  record.writeUInt32LE(RECORD.reply, 4);
  record.writeUInt32LE(frame.readUInt32LE(8), 8);
  record.writeUInt16LE(200, 12);
  record.writeUInt32LE(body.length, 20);
  body.copy(record, REPLY_HEADER_BYTES);
  sink.record(record, 0, record.length);
}
port.close();
