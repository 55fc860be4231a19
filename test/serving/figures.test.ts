import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { FaultReport } from '../../src/protocol/control.ts';
import { faultOf } from '../../src/protocol/guard.ts';
import { processFigures, TrafficCounters } from '../../src/serving/process-figures.ts';
import { EndpointCounters } from '../../src/serving/endpoint-counters.ts';
import { Harness, spec } from './harness.ts';
import { settled } from './manual-clock.ts';

const fault = (kind: FaultReport['kind']): FaultReport => ({ ...faultOf(kind), message: null });

test('the figures of a process count images of generations, but not prepared ones', async () => {
  const h = new Harness();
  await h.start(spec('a', 1), spec('b', 1));
  h.request('a');
  await h.deployment.prepare(spec('b', 2));
  const figures = processFigures(h.deployment, new TrafficCounters());
  assert.equal(figures.librariesMapped, 2);
  assert.equal(figures.inFlight, 1);
  assert.deepEqual(figures.workerThreads, { serving: 3, standby: 2 });
  assert.ok(figures.memoryBytes > 0 && figures.cpuSeconds > 0);
});

test('faults, panics and recycles are counted per endpoint, over its generations', async () => {
  const h = new Harness();
  await h.start(spec('a', 1));
  h.deployment.commit('a', spec('a', 2));
  for (const generation of [1, 2]) {
    const { events } = h.factory.pool('a', generation).spec;
    events.fault('r1', fault('panic'));
    events.fault(null, fault('memory'));
    events.recycled('panic');
  }
  const figures = h.endpoint('a').figures();
  assert.equal(figures.panics, 2);
  assert.deepEqual(figures.faults, { panic: 2, memory: 2 });
  assert.deepEqual(figures.recycled, { panic: 2 });
  assert.equal(h.eventsOf('fault').length, 4);
});

test('a process counts all its faults, also those of endpoints that are gone', async () => {
  const h = new Harness();
  await h.start(spec('a', 1), spec('b', 1));
  for (const id of ['a', 'a', 'b']) h.factory.pool(id, 1).spec.events.fault(null, fault('memory'));
  h.deployment.commit('a', null);
  await settled();
  const figures = processFigures(h.deployment, new TrafficCounters());
  assert.deepEqual(
    figures.endpoints.map(({ endpoint }) => endpoint),
    ['b'],
  );
  assert.equal(figures.faultsTotal, 3);
});

test('memory is told for each generation, and for the endpoint over all of them', async () => {
  const h = new Harness();
  await h.start(spec('a', 1), spec('b', 1));
  h.request('a');
  h.deployment.commit('a', spec('a', 2));
  await h.deployment.prepare(spec('a', 3));
  const { generations, endpoints } = processFigures(h.deployment, new TrafficCounters());
  const told = generations.map(({ endpoint, state, memoryBytes }) => [endpoint, state, memoryBytes]);
  assert.deepEqual(told.toSorted(), [
    ['a', 'draining', 4_096],
    ['a', 'prepared', 4_096],
    ['a', 'serving', 4_096],
    ['b', 'serving', 4_096],
  ]);
  assert.deepEqual(
    endpoints.map(({ endpoint, memoryBytes, memoryLimitBytes }) => [endpoint, memoryBytes, memoryLimitBytes]),
    [
      ['a', 3 * 4_096, 3 * 65_536],
      ['b', 4_096, 65_536],
    ],
  );
});

test('a suspect pool asks for the process to be replaced', async () => {
  const h = new Harness();
  await h.start(spec('a', 1));
  h.factory.pool('a', 1).spec.events.suspect('a lock may be held');
  assert.deepEqual(h.eventsOf('replace_me'), [
    { kind: 'replace_me', reason: 'suspect', message: 'a lock may be held' },
  ]);
});

test('durations fall into the bucket of the smallest bound they do not exceed', () => {
  const counters = new EndpointCounters();
  counters.countRequest(200, 0.5);
  counters.countRequest(204, 0.6);
  counters.countRequest(503, 31_000);
  const { duration, requests } = counters.snapshot();
  assert.deepEqual([duration.counts[0], duration.counts[1], duration.counts.at(-1)], [1, 1, 1]);
  assert.ok(Math.abs(duration.sum - 31.0011) < 1e-9);
  assert.deepEqual(requests, { '2xx': 2, '5xx': 1 });
});
