/** Runs in a worker thread: binds and calls images there, as the main thread asks. */
import { parentPort, workerData } from 'node:worker_threads';
import {
  CALL_FAULTED,
  ENTRY,
  REPORT_BYTES,
  decodeLog,
  reportFault,
  reportLogBytes,
  reportMessage,
} from '../../src/protocol/guard.ts';
import {
  RECORD,
  readReply,
  writeCancelFrame,
  writeRequestFrame,
  writeResumeFrame,
  type RequestParts,
} from '../../src/protocol/frame.ts';
import type { BindResult, CallResult, Commands, WorkerOptions } from './guarded-thread.ts';
import { loadGuard } from './guard-library.ts';

const STACK_BYTES = 1024 * 1024;
const ARENA_BYTES = 8 * 1024 * 1024;
const LOG_BYTES = 64 * 1024;

const { guardPath } = workerData as WorkerOptions;
const guard = loadGuard(guardPath);
const slot = guard.open(STACK_BYTES);
const input = Buffer.alloc(4096);
const report = Buffer.alloc(REPORT_BYTES);
let output = Buffer.alloc(4096);

function requestTo(url: string): RequestParts {
  const [path = '', query = 'a=b'] = url.split('?');
  const rawHeaders = ['host', 'example.test', 'accept', '*/*'];
  return {
    method: 'GET',
    path,
    query,
    requestId: 'r',
    clientIp: '::1',
    rawHeaders,
    params: ['p', 'v'],
    body: null,
  };
}

function enter(image: number, entry: number, length: number, limitMs: number): CallResult {
  const result = BigInt(guard.call(image, entry, input, length, output, output.length, limitMs, report));
  const logBytes = reportLogBytes(report);
  if (result === CALL_FAULTED) {
    const waits = report.readUInt32LE(48);
    const patched = report.readUInt32LE(52);
    return { kind: 'fault', fault: reportFault(report), message: reportMessage(report), waits, patched, logBytes };
  }
  if (result < 0n) {
    output = Buffer.alloc(Number(-result));
    return enter(image, ENTRY.fetch, 0, limitMs);
  }
  return { ...decodeRecord(Number(result)), logBytes };
}

function decodeRecord(length: number): { kind: 'reply' | 'operation' | 'dropped' | 'nothing'; body: string } {
  if (length === 0) return { kind: 'nothing', body: '' };
  const record = output.readUInt8(4);
  if (record === RECORD.reply) return { kind: 'reply', body: readReply(output, 0)?.body.toString() ?? '' };
  return { kind: record === RECORD.operation ? 'operation' : 'dropped', body: '' };
}

const commands: Commands = {
  slot: () => slot,
  reopen: () => guard.open(STACK_BYTES),
  bind(path, limitMs): BindResult {
    const image = guard.bind(slot, path, ARENA_BYTES, limitMs, report);
    return { image, message: reportMessage(report), fault: reportFault(report) };
  },
  trim: image => enter(image, ENTRY.trim, 0, 2000),
  call: (image, path, limitMs) =>
    enter(image, ENTRY.entry, writeRequestFrame(input, 0, requestTo(path), 1, 0), limitMs),
  resume: image => enter(image, ENTRY.resume, writeResumeFrame(input, 1, 1, 0, null), 0),
  cancel: image => enter(image, ENTRY.cancel, writeCancelFrame(input, 1, 'clientGone'), 0),
  unbind: (image, cleanMs) => guard.unbind(image, cleanMs),
  takeLog(cap = LOG_BYTES) {
    const lines = Buffer.alloc(cap);
    return decodeLog(lines.subarray(0, Number(guard.takeLog(slot, lines, cap))));
  },
};

parentPort?.on('message', ({ id, name, args }: { id: number; name: keyof Commands; args: never[] }) => {
  const entries = Object.entries<(...args: never[]) => unknown>({ ...commands });
  const result = new Map(entries).get(name)?.(...args);
  parentPort?.postMessage({ id, result });
});
