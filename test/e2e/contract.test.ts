/** Names that are promised: metrics with their labels, fields of answers, headers, states of the admin API. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { answering, kit } from '../support/code.ts';
import { eventually } from '../support/eventually.ts';
import { RunningGateway, type ApiData } from '../support/gateway.ts';

let gateway: RunningGateway;
before(async () => {
  gateway = await RunningGateway.start();
  // What is counted here is what is made here.
  await gateway.log(line => line.event === 'example_ready', 60_000);
  await gateway.must('DELETE', '/endpoints/hello');
  await gateway.deploy('plain', { code: answering('one') });
  await gateway.redeploy('plain', answering('two'));
  await gateway.deploy('faulty', kit());
  for (const op of ['work', 'panic', 'null']) await gateway.fetch(`/faulty?op=${op}`);
  await gateway.fetch('/nowhere');
});
after(async () => {
  await gateway[Symbol.asyncDispose]();
});

const SAMPLES: readonly RegExp[] = [
  /^rust_edge_gateway_requests_total\{endpoint="faulty",status="2xx"\} 1$/m,
  /^rust_edge_gateway_requests_total\{endpoint="faulty",status="5xx"\} 2$/m,
  /^rust_edge_gateway_handler_panics_total\{endpoint="faulty"\} 1$/m,
  /^rust_edge_gateway_handler_faults_total\{endpoint="faulty",kind="memory"\} 1$/m,
  /^rust_edge_gateway_workers_recycled_total\{endpoint="faulty",reason="\w+"\} \d+$/m,
  /^rust_edge_gateway_swaps_total\{endpoint="plain",outcome="\w+"\} 2$/m,
  /^rust_edge_gateway_compiles_total\{outcome="\w+"\} \d+$/m,
  /^rust_edge_gateway_request_duration_seconds_bucket\{le="0.005",endpoint="faulty"\} \d+$/m,
  /^rust_edge_gateway_request_duration_seconds_count\{endpoint="faulty"\} 3$/m,
  /^rust_edge_gateway_swap_duration_seconds_count \d+$/m,
  /^rust_edge_gateway_drain_duration_seconds_count 2$/m,
  /^rust_edge_gateway_compile_duration_seconds_count \d+$/m,
  /^rust_edge_gateway_requests_in_flight\{endpoint="faulty"\} 0$/m,
  /^rust_edge_gateway_queue_length\{endpoint="faulty"\} 0$/m,
  /^rust_edge_gateway_generations\{state="serving"\} 2$/m,
  /^rust_edge_gateway_generations\{state="retired"\} 1$/m,
  /^rust_edge_gateway_libraries_mapped 2$/m,
  /^rust_edge_gateway_worker_threads\{state="\w+"\} \d+$/m,
  /^rust_edge_gateway_endpoints\{state="loaded"\} 2$/m,
  /^# TYPE rust_edge_gateway_process_restarts_total counter$/m,
  /^process_cpu_user_seconds_total /m,
];

test('every metric of the contract is there, with its labels and the right value', async () => {
  // A fault is told, and a fresh image bound, after its request was answered.
  const settled = ['generations{state="retired"} 1', 'kind="memory"} 1', 'libraries_mapped 2'];
  const text = await eventually('the old generation is retired and the fault is over', async () => {
    const metrics = await gateway.metrics();
    return settled.every(sample => metrics.includes(sample)) && metrics;
  });
  const missing = SAMPLES.filter(sample => !sample.test(text)).map(String);
  assert.deepEqual(missing, [], text);
});

test('an endpoint has the fields of the contract', async () => {
  const endpoint = await gateway.must('GET', '/endpoints/plain');
  assert.deepEqual(
    Object.keys(endpoint).toSorted(),
    'build created_at dependencies description domain drain_timeout_ms generation id last_error memory_bytes method name path state threads timeout_ms updated_at'.split(
      ' ',
    ),
  );
  const build = endpoint['build'] as ApiData;
  assert.deepEqual(Object.keys(build).toSorted(), ['cached', 'digest', 'duration_ms', 'finished_at', 'id', 'warnings']);
  assert.match(String(endpoint['created_at']), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
});

test('a generation has the fields of the contract, newest first', async () => {
  const list = (await gateway.must('GET', '/endpoints/plain/generations')) as unknown as ApiData[];
  assert.deepEqual(
    list.map(one => one['generation']),
    [2, 1],
  );
  const expected =
    'build cause draining_since generation in_flight loaded_at memory_bytes outcome requests retired_at state'.split(
      ' ',
    );
  for (const one of list) assert.deepEqual(Object.keys(one).toSorted(), expected);
});

test('stats have the fields of the contract', async () => {
  const stats = await gateway.must('GET', '/stats');
  for (const field of [
    'version',
    'uptime_secs',
    'endpoints',
    'requests_total',
    'in_flight',
    'worker_threads',
    'libraries_mapped',
  ]) {
    assert.ok(field in stats, field);
  }
  const processes = stats['processes'] as ApiData[];
  assert.deepEqual(Object.keys(processes[0] ?? {}).toSorted(), ['faults', 'pid', 'since', 'state']);
  assert.equal(
    processes.reduce((sum, { faults }) => sum + Number(faults), 0),
    2,
    'a panic and a memory fault',
  );
});

test('health and metrics need no key; everything else under /api/ does', async () => {
  const health = await fetch(`${gateway.adminUrl}/api/health`);
  assert.equal(health.status, 200);
  assert.equal(((await health.json()) as { data: { status: string } }).data.status, 'healthy');
  assert.equal((await fetch(`${gateway.adminUrl}/metrics`)).status, 200);
  for (const path of ['/api/stats', '/api/endpoints', '/api/events', '/api/openapi.json', '/api/nothing']) {
    assert.equal((await fetch(gateway.adminUrl + path)).status, 401, path);
  }
});

test('unknown paths under /api/ are JSON 404s', async () => {
  const { status, ok, error } = await gateway.api('GET', '/nothing');
  assert.deepEqual([status, ok, error.code], [404, false, 'not_found']);
});

test('every public response has x-request-id; a fitting one of the client is kept', async () => {
  for (const path of ['/plain', '/nowhere', '/faulty?op=panic']) {
    assert.match((await gateway.fetch(path)).headers.get('x-request-id') ?? '', /^[\w.-]{1,128}$/);
  }
  const kept = await gateway.fetch('/plain', { headers: { 'x-request-id': 'my.own-id_1' } });
  assert.equal(kept.headers.get('x-request-id'), 'my.own-id_1');
  const replaced = await gateway.fetch('/plain', { headers: { 'x-request-id': 'not mine!' } });
  assert.notEqual(replaced.headers.get('x-request-id'), 'not mine!');
});

test("a handler's log lines carry endpoint, generation and request id", async () => {
  const answer = await gateway.fetch('/faulty?op=print', { headers: { 'x-request-id': 'printing-1' } });
  assert.equal(answer.status, 204);
  const line = await gateway.log(one => one['request_id'] === 'printing-1');
  assert.deepEqual([line['endpoint'], line['generation']], ['faulty', 1]);
  const logs = (await gateway.must('GET', '/endpoints/faulty/logs')) as unknown as ApiData[];
  assert.ok(JSON.stringify(logs).includes('printing-1'));
});
