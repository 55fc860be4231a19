import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LIMITS } from '../../src/config.ts';
import { HandlerLog, type HandlerLogEntry } from '../../src/observe/handler-log.ts';
import { faultOf } from '../../src/protocol/guard.ts';

const entry = (message: string, change: Partial<HandlerLogEntry> = {}): HandlerLogEntry => ({
  at: 0,
  generation: 1,
  requestId: null,
  level: 'info',
  message,
  fault: null,
  backtrace: null,
  ...change,
});

test('so many short lines are kept, and of long ones so many bytes', () => {
  const log = new HandlerLog();
  for (let line = 1; line <= LIMITS.logLinesKept + 1; line += 1) log.append(entry(`line ${line}`));
  assert.equal(log.recent().length, LIMITS.logLinesKept);
  assert.equal(log.recent()[0]?.message, 'line 2');
  const long = 'x'.repeat(8_000);
  for (let line = 1; line <= LIMITS.logLinesKept; line += 1) log.append(entry(`${line} ${long}`));
  const lengths = log.recent().map(({ message }) => message.length);
  const bytes = 2 * lengths.reduce((sum, length) => sum + length, 0);
  assert.ok(bytes <= LIMITS.logLineBytesKept && bytes > LIMITS.logLineBytesKept * 0.9, `${bytes} bytes`);
  assert.match(log.recent().at(-1)?.message ?? '', /^1000 x/);
  log.append(entry('short'));
  assert.deepEqual(
    log.recent(2).map(({ message }) => message.slice(0, 5)),
    ['1000 ', 'short'],
  );
});

test('a message that is too long is cut, also that of a panic', () => {
  const log = new HandlerLog();
  const message = 'y'.repeat(100_000);
  log.append(entry(message, { fault: { ...faultOf('panic'), message } }));
  const [kept] = log.recent();
  assert.deepEqual([kept?.message.length, kept?.fault?.message?.length], [16_384, 16_384]);
});
