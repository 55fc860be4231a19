import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FigureLedger } from '../../src/observe/figure-ledger.ts';
import { NO_FIGURES } from '../../src/observe/figures.ts';
import { DURATION_BUCKETS_SECONDS, type EndpointFigures, type ProcessFigures } from '../../src/protocol/control.ts';
import { TestAdmin } from '../support/admin.ts';
import { eventually } from '../support/eventually.ts';

const counts = DURATION_BUCKETS_SECONDS.map(() => 0);

function endpointFigures(change: Partial<EndpointFigures> = {}): EndpointFigures {
  return {
    endpoint: 'a',
    inFlight: 2,
    queueLength: 3,
    requests: { '2xx': 10, '5xx': 1 },
    panics: 4,
    faults: { memory: 5 },
    recycled: { panic: 6 },
    rejected: { queue_full: 11 },
    logLinesDropped: 13,
    memoryBytes: 4_096,
    memoryLimitBytes: 65_536,
    duration: { counts: [7, ...counts.slice(1), 1], sum: 31.5 },
    ...change,
  };
}

const FIGURES: ProcessFigures = {
  ...NO_FIGURES,
  inFlight: 2,
  requestsTotal: 12,
  librariesMapped: 8,
  workerThreads: { serving: 9, standby: 2 },
  endpoints: [endpointFigures()],
  unrouted: { '4xx': 11 },
};

const SAMPLES: readonly string[] = [
  'requests_total{endpoint="a",status="2xx"} 10',
  'requests_total{endpoint="a",status="5xx"} 1',
  'requests_total{endpoint="",status="4xx"} 11',
  'handler_panics_total{endpoint="a"} 4',
  'handler_faults_total{endpoint="a",kind="memory"} 5',
  'workers_recycled_total{endpoint="a",reason="panic"} 6',
  'swaps_total{endpoint="a",outcome="swapped"} 2',
  'swaps_total{endpoint="a",outcome="failed"} 1',
  'compiles_total{outcome="built"} 3',
  'compiles_total{outcome="failed"} 1',
  'process_restarts_total{reason="SIGSEGV"} 1',
  'request_duration_seconds_bucket{le="0.0005",endpoint="a"} 7',
  'request_duration_seconds_bucket{le="30",endpoint="a"} 7',
  'request_duration_seconds_bucket{le="+Inf",endpoint="a"} 8',
  'request_duration_seconds_sum{endpoint="a"} 31.5',
  'request_duration_seconds_count{endpoint="a"} 8',
  'swap_duration_seconds_count 2',
  'drain_duration_seconds_count 1',
  'compile_duration_seconds_count 4',
  'handler_log_lines_dropped_total{endpoint="a"} 13',
  'handler_memory_bytes{endpoint="a"} 4096',
  'handler_memory_limit_bytes{endpoint="a"} 65536',
  'requests_in_flight{endpoint="a"} 2',
  'queue_length{endpoint="a"} 3',
  'generations{state="loading"} 0',
  'generations{state="serving"} 1',
  'generations{state="draining"} 0',
  'generations{state="retired"} 1',
  'generations{state="failed"} 1',
  'libraries_mapped 8',
  'worker_threads{state="serving"} 9',
  'worker_threads{state="standby"} 2',
  'endpoints{state="loaded"} 1',
  'endpoints{state="error"} 0',
];

test('every metric of the contract is there, with its labels and values', async () => {
  await using admin = await TestAdmin.open();
  const { plane } = admin;
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.deploy('a', 'two');
  plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'init_failed', message: 'no' }];
  await assert.rejects(plane.deploy('a', 'three'));
  await plane.lifecycle.change('a', { code: 'fail' });
  await assert.rejects(plane.lifecycle.compile('a'));
  plane.events.publish({ type: 'process', pid: 1, state: 'ended', reason: 'SIGSEGV' });
  admin.figures = FIGURES;
  const response = await admin.send('/metrics');
  assert.match(response.headers.get('content-type') ?? '', /^text\/plain; version=0\.0\.4/);
  const lines = new Set((await response.text()).split('\n'));
  const missing = SAMPLES.filter(sample => !lines.has(`rust_edge_gateway_${sample}`));
  assert.deepEqual(missing, [], [...lines].join('\n'));
  assert.ok([...lines].some(line => line.startsWith('process_cpu_user_seconds_total ')));
  const families = [...lines].filter(line => line.startsWith('# TYPE ')).map(line => line.split(' ')[2]);
  assert.equal(new Set(families).size, families.length, 'no family is given twice');
});

test('a scrape and the stats count each table once, and read none of their rows', async () => {
  await using admin = await TestAdmin.open();
  const { store } = admin.plane;
  const counted: string[] = [];
  for (const count of ['endpointCounts', 'generationCounts'] as const) {
    const original = store[count].bind(store) as () => never;
    store[count] = () => {
      counted.push(count);
      return original();
    };
  }
  store.endpoints = store.generationsInState = () => assert.fail('rows are read');
  assert.equal((await admin.send('/metrics')).status, 200);
  assert.deepEqual(counted.splice(0).toSorted(), ['endpointCounts', 'generationCounts']);
  assert.equal((await admin.call('GET', '/stats')).status, 200);
  assert.deepEqual(counted, ['endpointCounts']);
});

test('counters survive the end of a process, gauges go with it', () => {
  const ledger = new FigureLedger();
  ledger.update(1, FIGURES);
  ledger.update(2, FIGURES);
  assert.equal(ledger.total().requestsTotal, 24);
  ledger.end(1, null);
  const total = ledger.total();
  assert.deepEqual([total.requestsTotal, total.librariesMapped, total.inFlight], [24, 8, 2]);
  const [endpoint] = total.endpoints;
  assert.deepEqual([endpoint?.requests['2xx'], endpoint?.panics, endpoint?.inFlight], [20, 8, 2]);
  assert.deepEqual([endpoint?.duration.sum, endpoint?.duration.counts[0]], [63, 14]);
  ledger.end(2, { ...FIGURES, requestsTotal: 20 });
  assert.equal(ledger.total().requestsTotal, 32, 'its last word counts, not the figures before it');
  ledger.forget('a');
  assert.deepEqual(ledger.total().endpoints, []);
});

test('a deleted endpoint takes its series with it', async () => {
  await using admin = await TestAdmin.open();
  const { plane } = admin;
  const series = async (): Promise<string[]> => {
    const lines = (await (await admin.send('/metrics')).text()).split('\n');
    return lines.filter(line => line.includes('endpoint="a"')).map(line => line.replace(/ .*/, ''));
  };
  await plane.create('a');
  for (const code of ['one', 'two']) await plane.deploy('a', code);
  plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'init_failed', message: 'no' }];
  await assert.rejects(plane.deploy('a', 'three'));
  plane.lifecycle.listener.crashLooped('a', 2, 20);
  await eventually('it is rolled back', () => plane.served('a') === 'one');
  await plane.lifecycle.remove('a');
  assert.deepEqual(await series(), []);
});

test('a process that ends after an endpoint was deleted brings nothing of it back', () => {
  const ledger = new FigureLedger();
  const other = endpointFigures({ endpoint: 'b' });
  const figures = { ...FIGURES, endpoints: [endpointFigures(), other] };
  for (const process of [1, 2, 3]) ledger.update(process, figures);
  ledger.forget('a');
  const endpoints = (): string[] => ledger.total().endpoints.map(({ endpoint }) => endpoint);
  assert.deepEqual(endpoints(), ['b']);
  assert.deepEqual([...ledger.memoryBytes().keys()], ['b']);
  ledger.end(1, null);
  ledger.end(2, figures);
  assert.deepEqual(endpoints(), ['b']);
  // One of that name has come since, and its counters are worth keeping.
  ledger.update(3, figures);
  ledger.end(3, null);
  assert.deepEqual(endpoints(), ['b', 'a']);
  assert.equal(ledger.total().endpoints[1]?.panics, 4);
});
