import assert from 'node:assert/strict';
import { Writable } from 'node:stream';
import { test } from 'node:test';
import pino from 'pino';
import { Backtraces } from '../../src/observe/backtrace/backtraces.ts';
import { logEvents } from '../../src/observe/event-log.ts';
import { unknownFrame } from '../../src/observe/backtrace/symbol-table.ts';
import { EventBus } from '../../src/observe/events.ts';
import { HandlerLogs, type HandlerLogEntry } from '../../src/observe/handler-log.ts';
import type { GatewayEvent } from '../../src/protocol/control.ts';
import { faultOf } from '../../src/protocol/guard.ts';
import { reportGatewayEvent } from '../../src/supervisor/gateway-events.ts';

function observers() {
  const lines: Record<string, unknown>[] = [];
  const write = new Writable({
    write(chunk, _encoding, done) {
      lines.push(JSON.parse(String(chunk)) as Record<string, unknown>);
      done();
    },
  });
  const log = pino({ level: 'debug', base: null, formatters: { level: label => ({ level: label }) } }, write);
  const events = new EventBus();
  logEvents(events, log);
  const backtraces = new Backtraces({ digestOf: () => null, symbols: async () => null });
  const handlerLogs = new HandlerLogs();
  handlerLogs.open('a');
  const sinks = { log, events, handlerLogs, backtraces };
  return { lines, sinks, report: (event: GatewayEvent) => reportGatewayEvent(sinks, 7, event) };
}

const logOf = (handlerLogs: HandlerLogs): readonly HandlerLogEntry[] => handlerLogs.of('a')?.recent() ?? [];

test("a handler's lines are logged with endpoint, generation and request, and kept for it", () => {
  const { lines, sinks, report } = observers();
  const line = { level: 'warn' as const, message: 'careful', requestId: 'r1', at: 5 };
  report({ kind: 'handler_log', endpoint: 'a', generation: 3, lines: [line] });
  const logged = { ...lines[0] };
  delete logged['time'];
  const named = { endpoint: 'a', generation: 3, request_id: 'r1' };
  assert.deepEqual(logged, { level: 'warn', event: 'handler_log', ...named, msg: 'careful' });
  assert.deepEqual(logOf(sinks.handlerLogs), [
    { at: 5, generation: 3, requestId: 'r1', level: 'warn', message: 'careful', fault: null, backtrace: null },
  ]);
});

test('a fault is an error line with its request, and one of the lines of its handler', () => {
  const { lines, sinks, report } = observers();
  const fault = { ...faultOf('panic'), message: 'boom at src/lib.rs:3' };
  report({ kind: 'fault', endpoint: 'a', generation: 3, requestId: 'r2', fault });
  assert.equal(lines.length, 1);
  assert.deepEqual(
    [lines[0]?.['level'], lines[0]?.['request_id'], lines[0]?.['msg']],
    ['error', 'r2', 'boom at src/lib.rs:3'],
  );
  assert.equal(logOf(sinks.handlerLogs)[0]?.fault?.kind, 'panic');
});

test('a fault without symbols is told as what it was, with its offsets', () => {
  const { lines, sinks, report } = observers();
  const fault = { ...faultOf('memory'), address: 'dead', trace: [0x1234, 0x99], message: null };
  report({ kind: 'fault', endpoint: 'a', generation: 3, requestId: 'r2', fault });
  const message = 'memory fault at address 0xdead at offset 0x1234 of the library';
  const backtrace = [0x1234, 0x99].map(unknownFrame);
  assert.deepEqual([lines[0]?.['msg'], lines[0]?.['backtrace']], [message, backtrace]);
  const [entry] = logOf(sinks.handlerLogs);
  assert.deepEqual([entry?.message, entry?.backtrace, entry?.fault], [message, backtrace, fault]);
});

test('what is told of a deleted endpoint is kept nowhere, nor with another one of its name', async () => {
  const { sinks, report } = observers();
  const { promise: asked, resolve: ask } = Promise.withResolvers<void>();
  const { promise: symbols, resolve: answer } = Promise.withResolvers<null>();
  const backtraces = new Backtraces({
    digestOf: () => 'digest',
    symbols: () => {
      ask();
      return symbols;
    },
  });
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  sinks.events.subscribe(() => tell());
  const fault = { ...faultOf('memory'), trace: [0x1234], message: null };
  const event = { kind: 'fault', endpoint: 'a', generation: 3, requestId: 'r2', fault } as const;
  reportGatewayEvent({ ...sinks, backtraces }, 7, event);
  await asked;
  sinks.handlerLogs.forget('a');
  const line = { level: 'warn' as const, message: 'late', requestId: 'r1', at: 5 };
  report({ kind: 'handler_log', endpoint: 'a', generation: 3, lines: [line] });
  assert.equal(sinks.handlerLogs.of('a'), null);
  sinks.handlerLogs.open('a');
  answer(null);
  await told;
  assert.deepEqual(logOf(sinks.handlerLogs), []);
});

test('public requests are one line each', () => {
  const { lines, report } = observers();
  const request = { requestId: 'r3', clientIp: '127.0.0.1', method: 'GET', path: '/a' };
  const reply = { endpoint: 'a', generation: 1, status: 200, durationMs: 1.5, bytes: 12 };
  report({ kind: 'access_log', lines: [{ at: 0, ...request, ...reply }] });
  assert.deepEqual(
    [lines[0]?.['event'], lines[0]?.['path'], lines[0]?.['status'], lines[0]?.['duration_ms']],
    ['request', '/a', 200, 1.5],
  );
});
