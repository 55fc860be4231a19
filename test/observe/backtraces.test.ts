import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { Backtraces, type Backtrace } from '../../src/observe/backtrace/backtraces.ts';
import { unknownFrame } from '../../src/observe/backtrace/symbol-table.ts';
import { eventually } from '../support/eventually.ts';
import { symbolTable } from './symbol-tables.ts';

const TABLE = symbolTable(
  [{ function: 'handler_a::handle', file: 'src/lib.rs', line: 7 }],
  [{ start: 0x100, place: 0 }, { start: 0x200 }],
);
const HANDLE = { function: 'handler_a::handle', file: 'src/lib.rs', line: 7, offset: '0x110' };

/** Backtraces whose symbols come when the test says so. */
function openBacktraces(timeoutMs?: number) {
  const requests: { digest: string; answer: (bytes: Buffer | null) => void }[] = [];
  const asked: string[] = [];
  const told: Backtrace[] = [];
  const backtraces = new Backtraces(
    {
      digestOf(endpoint, generation) {
        asked.push(`${endpoint} ${generation}`);
        if (endpoint === 'broken') throw new Error('the disk is gone');
        return endpoint === 'unknown' ? null : `digest of ${endpoint} ${generation}`;
      },
      symbols: digest => new Promise(answer => requests.push({ digest, answer })),
    },
    timeoutMs,
  );
  return {
    asked,
    told,
    requests,
    backtraces,
    fault: (endpoint = 'a', trace: readonly number[] = [0x110]): void =>
      backtraces.trace({ endpoint, generation: 1, fault: { kind: 'memory', trace } }, backtrace =>
        told.push(backtrace),
      ),
  };
}

test('faults that come while symbols are loaded are told in order when they are, later ones at once', async () => {
  const { fault, told, requests } = openBacktraces();
  fault();
  fault('a', [0x300]);
  assert.equal(told.length, 0);
  await eventually('the symbols are asked for', () => requests.length === 1);
  requests[0]?.answer(TABLE);
  await eventually('both are told', () => told.length === 2);
  assert.deepEqual(told, [[HANDLE], [unknownFrame(0x300)]]);
  fault('a', [0x300, 0x110]);
  assert.deepEqual(told[2], [unknownFrame(0x300), HANDLE]);
});

test('a hundred thousand faults of one place ask the store and the disk once, and are told the same backtrace', async () => {
  const { fault, told, requests, asked } = openBacktraces();
  fault();
  await eventually('the symbols are asked for', () => requests.length === 1);
  requests[0]?.answer(TABLE);
  await eventually('it is told', () => told.length === 1);
  for (let count = 1; count < 100_000; count += 1) fault();
  assert.deepEqual([told.length, requests.length, asked.length], [100_000, 1, 1]);
  assert.ok(told.every(backtrace => backtrace === told[0]));
});

test('faults do not pile up while symbols are loaded: past a limit they are told with offsets', async () => {
  const { fault, told, requests } = openBacktraces();
  for (let count = 0; count < LIMITS.faultsWaitingMax + 50; count += 1) fault(`endpoint-${count % 3}`);
  assert.equal(told.length, 50);
  assert.deepEqual(told[0], [unknownFrame(0x110)]);
  await eventually('the symbols are asked for', () => requests.length === 3);
  requests.forEach(({ answer }) => answer(TABLE));
  await eventually('all are told', () => told.length === LIMITS.faultsWaitingMax + 50);
  assert.deepEqual(told.at(-1), [HANDLE]);
});

test('faults of many artifacts load few tables at once, and each is told in the end', async () => {
  const { fault, told, requests } = openBacktraces();
  const endpoints = Array.from({ length: 3 * LIMITS.symbolTablesKept }, (_, index) => `endpoint-${index}`);
  for (const endpoint of endpoints) fault(endpoint);
  for (let answered = 0; answered < endpoints.length; answered += 1) {
    const request = await eventually('the next is asked for', () => requests[answered]);
    assert.ok(requests.length - answered <= 4);
    request.answer(TABLE);
  }
  await eventually('all are told', () => told.length === endpoints.length);
  assert.ok(told.every(([frame]) => frame?.line === 7));
});

test('tables that are large make room for one another, also when they are few', async () => {
  const { fault, told, requests } = openBacktraces();
  const text = 'x'.repeat(LIMITS.symbolTableBytesKept / 2);
  const large = symbolTable([{ function: text, file: 'src/lib.rs', line: 7 }], [{ start: 0x500, place: 0 }]);
  for (const [count, endpoint] of ['a', 'b'].entries()) {
    fault(endpoint);
    (await eventually('the symbols are asked for', () => requests[count])).answer(large);
    await eventually('it is told', () => told.length === count + 1);
  }
  fault('b', [0x120]);
  assert.equal(requests.length, 2, 'the newer one is still there');
  fault('a', [0x120]);
  await eventually('the older one is asked for again', () => requests.length === 3);
  requests[2]?.answer(null);
  await eventually('it is told', () => told.length === 4);
});

test('symbols that are long in coming hold no fault up, and are used when they are there', async () => {
  const { fault, told, requests } = openBacktraces(1);
  fault();
  await eventually('it is told without them', () => told.length === 1);
  fault();
  assert.deepEqual(told, [[unknownFrame(0x110)], [unknownFrame(0x110)]]);
  requests[0]?.answer(TABLE);
  await eventually('they are used', () => {
    fault();
    return told.at(-1)?.[0]?.line === 7;
  });
});

test('at the end of the program no fault waits any longer, nor do those that still come', async () => {
  const { fault, told, requests, backtraces } = openBacktraces();
  // More than are kept: also those whose table has lost its place are told.
  const endpoints = Array.from({ length: LIMITS.symbolTablesKept + 5 }, (_, index) => `endpoint-${index}`);
  for (const endpoint of endpoints) fault(endpoint);
  assert.equal(told.length, 0);
  backtraces.close();
  assert.deepEqual(
    told,
    endpoints.map(() => [unknownFrame(0x110)]),
  );
  fault('late');
  assert.equal(told.length, endpoints.length + 1);
  await eventually('the symbols are asked for', () => requests.length > 0);
  for (const { answer } of requests) answer(TABLE);
  fault('endpoint-0');
  assert.equal(told.length, endpoints.length + 2, 'each is told once');
});

test('an artifact without symbols is looked for once', async () => {
  const { fault, told, requests } = openBacktraces();
  fault();
  await eventually('the symbols are asked for', () => requests.length === 1);
  requests[0]?.answer(null);
  await eventually('it is told', () => told.length === 1);
  fault();
  assert.deepEqual(told, [[unknownFrame(0x110)], [unknownFrame(0x110)]]);
  assert.equal(requests.length, 1);
});

test('a fault without a trace, of a build that is gone, or with a store that cannot be read, is told at once', () => {
  const { fault, told, requests } = openBacktraces();
  fault('a', []);
  fault('unknown');
  fault('broken');
  assert.deepEqual(told, [[], [unknownFrame(0x110)], [unknownFrame(0x110)]]);
  assert.equal(requests.length, 0);
});

test('what is known of a deleted endpoint is not believed of the next one of its name', () => {
  const { fault, backtraces, asked } = openBacktraces();
  fault();
  fault('ab');
  backtraces.forget('a');
  fault();
  fault('ab');
  assert.deepEqual(asked, ['a 1', 'ab 1', 'a 1']);
  for (let count = 0; count < 2; count += 1) fault('unknown');
  assert.deepEqual(asked.slice(3), ['unknown 1', 'unknown 1'], 'nor is what came too late for the one before');
});
