import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdminError } from '../../src/errors.ts';
import { NO_FIGURES } from '../../src/observe/figures.ts';
import { serveAdmin, stopAdmin } from '../../src/supervisor/admin-server.ts';
import { ListeningSocket } from '../../src/supervisor/listening-socket.ts';
import { KEY, TestAdmin } from '../support/admin.ts';
import { endpointFigures } from '../support/endpoint-figures.ts';
import { eventually } from '../support/eventually.ts';

test('a new endpoint is answered with every field, defaults included', async () => {
  await using admin = await TestAdmin.open();
  const { status, data } = await admin.call('POST', '/endpoints', { name: ' Hello you ', path: '/hello' });
  assert.equal(status, 201);
  const { id, created_at: createdAt, updated_at: updatedAt, ...rest } = data;
  assert.match(String(id), /^hello-you-[0-9a-f]{8}$/);
  assert.equal(createdAt, updatedAt);
  assert.match(String(createdAt), /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  const plain = { name: 'Hello you', domain: '*', path: '/hello', method: 'GET', description: '', dependencies: {} };
  const unbuilt = { state: 'created', generation: null, build: null, last_error: null, memory_bytes: 0 };
  assert.deepEqual(rest, { ...plain, ...unbuilt, timeout_ms: null, drain_timeout_ms: null, threads: null });
});

test('the same route twice and the same id twice are conflicts', async () => {
  await using admin = await TestAdmin.open();
  await admin.call('POST', '/endpoints', { name: 'a', id: 'a', path: '/users/{id}', domain: 'Api.Example' });
  const route = await admin.call('POST', '/endpoints', { name: 'b', path: '/users/{name}', domain: 'api.example' });
  assert.deepEqual([route.status, route.error.code], [409, 'route_taken']);
  const id = await admin.call('POST', '/endpoints', { name: 'b', id: 'a', path: '/other' });
  assert.deepEqual([id.status, id.error.code], [409, 'id_taken']);
});

test('a change touches the given fields and no others; null goes back to the setting', async () => {
  await using admin = await TestAdmin.open();
  const { data: before } = await admin.call('POST', '/endpoints', { name: 'a', id: 'a', path: '/a', timeout_ms: 50 });
  const { data: moved } = await admin.call('PUT', '/endpoints/a', { path: '/b' });
  assert.deepEqual({ ...moved, updated_at: 0 }, { ...before, path: '/b', updated_at: 0 });
  assert.equal((await admin.call('PUT', '/endpoints/a', { timeout_ms: null })).data['timeout_ms'], null);
  assert.equal(admin.plane.dataPlane.routed.get('a')?.timeoutMs, 30_000);
  assert.equal((await admin.call('PUT', '/endpoints/a', { id: 'b' })).error.code, 'validation_failed');
});

test('code is saved with the endpoint or by itself, and read again', async () => {
  await using admin = await TestAdmin.open();
  await admin.call('POST', '/endpoints', { name: 'a', id: 'a', path: '/a' });
  assert.deepEqual((await admin.call('GET', '/endpoints/a/code')).data, { code: null });
  assert.deepEqual((await admin.call('PUT', '/endpoints/a/code', { code: 'fn ä() {}' })).data, { code: 'fn ä() {}' });
  assert.deepEqual((await admin.call('GET', '/endpoints/a/code')).data, { code: 'fn ä() {}' });
});

test('the list is given in pages, and by state', async () => {
  await using admin = await TestAdmin.open();
  for (const id of ['a', 'b', 'c']) await admin.plane.create(id);
  await admin.plane.deploy('b', 'one');
  const ids = (data: unknown): unknown[] => (data as { id: string }[]).map(({ id }) => id);
  const first = await admin.call('GET', '/endpoints?limit=2');
  assert.deepEqual(ids(first.data), ['a', 'b']);
  const second = await admin.call('GET', `/endpoints?limit=2&cursor=${first.next_cursor}`);
  assert.deepEqual([ids(second.data), second.next_cursor], [['c'], null]);
  assert.deepEqual(ids((await admin.call('GET', '/endpoints?state=loaded')).data), ['b']);
});

test('compile, deploy, rollback, undeploy and delete answer as documented', async () => {
  await using admin = await TestAdmin.open();
  await admin.call('POST', '/endpoints', { name: 'a', id: 'a', path: '/a' });
  assert.equal((await admin.call('POST', '/endpoints/a/deploy')).error.code, 'not_compiled');
  assert.equal((await admin.call('POST', '/endpoints/a/compile')).error.code, 'no_code');
  await admin.call('PUT', '/endpoints/a/code', { code: 'one' });
  const compiled = await admin.call('POST', '/endpoints/a/compile');
  assert.equal(compiled.data['state'], 'compiled');
  assert.deepEqual(compiled.data['build'], {
    id: 'build-1',
    digest: 'one',
    duration_ms: 12,
    finished_at: '2023-11-14T22:13:20.000Z',
    cached: false,
    warnings: [],
  });
  const deployed = await admin.call('POST', '/endpoints/a/deploy');
  const { state, generation, swap_ms: swapMs, load_ms: loadMs } = deployed.data as Record<string, unknown>;
  assert.deepEqual([state, generation, typeof swapMs, typeof loadMs], ['loaded', 1, 'number', 'number']);
  assert.equal((await admin.call('POST', '/endpoints/a/rollback', {})).error.code, 'no_earlier_generation');
  await admin.call('PUT', '/endpoints/a/code', { code: 'two' });
  assert.equal((await admin.call('POST', '/endpoints/a/deploy', { compile: true })).data['generation'], 2);
  assert.equal((await admin.call('POST', '/endpoints/a/rollback')).data['generation'], 3);
  assert.equal((await admin.call('POST', '/endpoints/a/rollback', { generation: 9 })).status, 404);
  assert.equal((await admin.call('POST', '/endpoints/a/undeploy')).data['state'], 'compiled');
  assert.deepEqual((await admin.call('DELETE', '/endpoints/a')).data, { id: 'a' });
  assert.equal((await admin.call('GET', '/endpoints/a')).status, 404);
});

test('a deploy without a body is one without options, on a real connection too', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  await admin.plane.lifecycle.compile('a');
  const headers = { 'content-type': 'application/json' };
  const inProcess = await admin.send('/api/endpoints/a/deploy', { method: 'POST', headers, body: '' });
  assert.equal(inProcess.status, 200);
  const socket = await ListeningSocket.open('127.0.0.1', 0);
  const server = await serveAdmin(admin.app, socket.fd);
  const authorization = `Bearer ${KEY}`;
  for (const init of [{ headers: { authorization } }, { headers: { authorization, ...headers } }]) {
    const response = await fetch(`${socket.url}/api/endpoints/a/deploy`, { method: 'POST', ...init });
    assert.equal(response.status, 200);
  }
  stopAdmin(server);
});

test("a failed build is a 422 with the compiler's output, and the endpoint's last error", async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a', { code: 'fail' });
  const { status, error } = await admin.call('POST', '/endpoints/a/compile');
  assert.deepEqual([status, error], [422, { code: 'compile_failed', message: 'error: it fails', details: [] }]);
  const { last_error: lastError, state } = (await admin.call('GET', '/endpoints/a')).data;
  assert.equal((lastError as { code: string }).code, 'compile_failed');
  assert.equal(state, 'created');
});

test('a compile that is not waited for answers 202 at once', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  const { promise, resolve } = Promise.withResolvers<void>();
  admin.plane.compiler.beforeCompile = async () => promise;
  const { status, data } = await admin.call('POST', '/endpoints/a/compile?wait=false');
  assert.deepEqual([status, data], [202, { state: 'created', build: null }]);
  const { promise: built, resolve: told } = Promise.withResolvers<void>();
  admin.plane.events.subscribe(({ type }) => type === 'build_finished' && told());
  resolve();
  await built;
  assert.equal(admin.plane.state('a'), 'compiled');
});

test('an endpoint is read with the memory of the last poll: no process is asked for it', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  const { plane } = admin;
  admin.figures = { ...NO_FIGURES, endpoints: [endpointFigures({ memoryBytes: 4_096 })] };
  const [listed] = (await admin.call('GET', '/endpoints')).data as unknown as Record<string, unknown>[];
  const { data: read } = await admin.call('GET', '/endpoints/a');
  const { data: changed } = await admin.call('PUT', '/endpoints/a', { name: 'b' });
  assert.deepEqual(
    [listed, read, changed].map(one => one?.['memory_bytes']),
    [4_096, 4_096, 4_096],
  );
  assert.equal(admin.polls, 0);
  await plane.deploy('a', 'one');
  await admin.call('POST', '/endpoints/a/undeploy');
  assert.equal(admin.polls, 1, 'what an undeploy has freed is looked at anew');
});

test('generations are listed newest first, with what live processes count', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  await admin.plane.deploy('a', 'one');
  await admin.plane.deploy('a', 'two');
  const heaps = { memoryBytes: 8192, memoryLimitBytes: 1 << 20 };
  const counts = {
    state: 'serving' as const,
    asleep: false,
    inFlight: 2,
    requests: 7,
    images: 1,
    crashes: 0,
    ...heaps,
  };
  admin.figures = { ...NO_FIGURES, generations: [{ endpoint: 'a', generation: 2, ...counts }] };
  const data = (await admin.call('GET', '/endpoints/a/generations')).data as unknown as Record<string, unknown>[];
  assert.deepEqual(
    data.map(({ generation, state, in_flight: inFlight, requests, memory_bytes: memoryBytes, outcome }) => [
      generation,
      state,
      inFlight,
      requests,
      memoryBytes,
      outcome,
    ]),
    [
      [2, 'serving', 2, 7, 8192, null],
      [1, 'retired', 0, 0, 0, 'drained'],
    ],
  );
});

test('a crash loop after a deploy is rolled back, which metrics and generations tell; with bake=0 it is not', async () => {
  await using admin = await TestAdmin.open();
  const { plane } = admin;
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  for (const bake of ['?bake=0.5', '?bake=86400', '']) {
    const { status, data } = await admin.call('POST', `/endpoints/a/deploy${bake}`);
    assert.equal(status, 200);
    plane.lifecycle.listener.crashLooped('a', Number(data['generation']), 20);
    await eventually('it is rolled back', () => plane.served('a') === 'one');
  }
  const generations = (await admin.call('GET', '/endpoints/a/generations?limit=3')).data;
  const causes = (generations as unknown as Record<string, unknown>[]).map(({ cause }) => cause);
  assert.deepEqual(causes, ['automatic_rollback', 'deploy', 'automatic_rollback']);
  const { last_error: lastError, state } = (await admin.call('GET', '/endpoints/a')).data;
  assert.deepEqual([state, (lastError as { code: string }).code], ['loaded', 'rolled_back']);

  for (const call of ['deploy', 'rollback']) {
    const { data } = await admin.call('POST', `/endpoints/a/${call}?bake=0`);
    plane.lifecycle.listener.crashLooped('a', Number(data['generation']), 20);
    await eventually('it is in error', () => plane.state('a') === 'error');
  }
  const lines = (await (await admin.send('/metrics')).text()).split('\n');
  for (const sample of [
    'crash_loops_total{endpoint="a"} 5',
    'swaps_total{endpoint="a",outcome="rolled_back"} 3',
    'swaps_total{endpoint="a",outcome="swapped"} 6',
  ]) {
    assert.ok(lines.includes(`rust_edge_gateway_${sample}`), sample);
  }
});

test('a data directory that fails is a 507, and the next call works', async () => {
  await using admin = await TestAdmin.open();
  await admin.plane.create('a');
  const { store } = admin.plane;
  const change = store.changeEndpoint.bind(store);
  store.changeEndpoint = () => {
    throw new AdminError('storage_failed');
  };
  const { status, error } = await admin.call('PUT', '/endpoints/a', { name: 'b' });
  assert.deepEqual([status, error.code], [507, 'storage_failed']);
  store.changeEndpoint = change;
  assert.equal((await admin.call('PUT', '/endpoints/a', { name: 'b' })).status, 200);
});
