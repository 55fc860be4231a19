import assert from 'node:assert/strict';
import { test } from 'node:test';
import { EventOutlet } from '../../src/gateway/event-outlet.ts';
import type { GatewayEvent } from '../../src/protocol/control.ts';
import { faultOf } from '../../src/protocol/guard.ts';

const lines = (count: number): GatewayEvent => ({
  kind: 'handler_log',
  endpoint: 'a',
  generation: 1,
  lines: Array.from({ length: count }, () => ({ level: 'info', message: 'x'.repeat(800), requestId: null, at: 0 })),
});

/** An outlet into a channel that hands nothing to the system until it is told to. */
function stalledOutlet() {
  const sent: GatewayEvent[] = [];
  const waiting: (() => void)[] = [];
  const outlet = new EventOutlet(event => {
    sent.push(event);
    return new Promise(resolve => waiting.push(resolve));
  });
  return { outlet, sent, flow: () => waiting.splice(0).forEach(resolve => resolve()) };
}

test('log lines that nobody takes are dropped at a bound, and counted in one line when they flow again', async () => {
  const { outlet, sent, flow } = stalledOutlet();
  for (let at = 0; at < 1_000; at++) outlet.emit(lines(10));
  const taken = sent.length;
  assert.ok(taken >= 20 && taken < 40, `${taken} batches of 10 kB went into 256 KiB`);
  flow();
  await new Promise(setImmediate);
  assert.deepEqual(sent.slice(taken), [
    {
      kind: 'log',
      level: 'warn',
      message: `${10_000 - taken * 10} log lines were dropped: they came faster than they could be written.`,
      fields: { lines: 10_000 - taken * 10 },
    },
  ]);
  outlet.emit(lines(1));
  assert.equal(sent.length, taken + 2, 'lines flow again');
});

test('events that are no log lines go however many lines wait', () => {
  const { outlet, sent } = stalledOutlet();
  for (let at = 0; at < 100; at++) outlet.emit(lines(10));
  outlet.emit({ kind: 'replace_me', reason: 'suspect', message: 'a stuck call' });
  assert.deepEqual(sent.at(-1), { kind: 'replace_me', reason: 'suspect', message: 'a stuck call' });
});

test('faults have bounds of their own: they go however many lines wait, and past those they are counted too', async () => {
  const { outlet, sent, flow } = stalledOutlet();
  for (let at = 0; at < 1_000; at++) outlet.emit(lines(10));
  const before = sent.length;
  const fault = { ...faultOf('memory'), message: null };
  for (let at = 0; at < 1_000; at++)
    outlet.emit({ kind: 'fault', endpoint: 'a', generation: 1, requestId: 'r', fault });
  const taken = sent.length - before;
  assert.ok(taken >= 100 && taken < 1_000, `${taken} faults were taken`);
  flow();
  await new Promise(setImmediate);
  const told = sent.flatMap(event => (event.kind === 'log' ? [event.message] : []));
  assert.ok(told.includes(`${1_000 - taken} faults were dropped: they came faster than they could be written.`));
});
