import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyGarbage } from '../../src/gateway/bodies/body-garbage.ts';
import { BodyBudget } from '../../src/gateway/bodies/body-budget.ts';
import { TrustedProxies } from '../../src/gateway/client/client-address.ts';
import { warmUp } from '../../src/gateway/warm-up.ts';
import type { ListenerOptions } from '../../src/gateway/listener.ts';
import { systemClock } from '../../src/serving/clock.ts';
import { TrafficCounters } from '../../src/serving/process-figures.ts';
import { eventually } from '../support/eventually.ts';

function listenerOptions(): ListenerOptions & { readonly errors: unknown[] } {
  const errors: unknown[] = [];
  return {
    errors,
    limits: {
      connectionsMax: 10,
      headersTimeoutMs: 1_000,
      keepAliveMs: 1_000,
      receiveTimeoutMs: 1_000,
      sendStallMs: 1_000,
      headerBytesMax: 16_384,
    },
    bodyBytesMax: 1_024,
    bodies: new BodyBudget(1_024),
    garbage: new BodyGarbage(),
    proxies: new TrustedProxies([]),
    clock: systemClock,
    traffic: new TrafficCounters(),
    accessLog: null,
    reportError: error => errors.push(error),
  };
}

const tcpHandles = (): number => process.getActiveResourcesInfo().filter(name => name.startsWith('TCP')).length;

test('requests to itself are counted nowhere, and leave nothing open', async () => {
  const options = listenerOptions();
  await warmUp(options);
  assert.equal(options.traffic.requestsTotal, 0);
  assert.equal(options.traffic.connections, 0);
  assert.deepEqual(options.errors, []);
  await eventually('every connection and port is closed', () => tcpHandles() === 0);
});
