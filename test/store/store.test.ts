import assert from 'node:assert/strict';
import { test } from 'node:test';
import { newBuild, newEndpoint, NOW, temporaryStore } from './records.ts';

test('an endpoint comes back as it was created', () => {
  using opened = temporaryStore();
  const endpoint = newEndpoint('greet', {
    name: 'Grüße 👋',
    path: '/greet/{name}',
    code: 'fn handle() {}',
    dependencies: { regex: '1', chrono: { version: '0.4', features: ['serde'], default_features: false } },
    timeoutMs: 250.5,
    threads: 2,
  });
  const created = opened.store.createEndpoint(endpoint, NOW);
  assert.deepEqual(created, {
    ...endpoint,
    state: 'created',
    generation: null,
    buildId: null,
    buildError: null,
    servingError: null,
    createdAt: NOW,
    updatedAt: NOW,
  });
  assert.deepEqual(opened.store.endpoint('greet'), created);
});

test('an endpoint, build or generation that is not there is null', () => {
  using opened = temporaryStore();
  assert.equal(opened.store.endpoint('none'), null);
  assert.equal(opened.store.build('none'), null);
  assert.equal(opened.store.buildByKey('none', 'key'), null);
  assert.equal(opened.store.generation('none', 1), null);
  assert.deepEqual(opened.store.generations('none'), []);
});

test('a second endpoint with the same id is refused', () => {
  using opened = temporaryStore();
  opened.store.createEndpoint(newEndpoint('one'), NOW);
  assert.throws(() => opened.store.createEndpoint(newEndpoint('one', { path: '/other' }), NOW), { code: 'id_taken' });
});

for (const [what, first, second] of [
  ['the same path', '/users', '/users'],
  ['another parameter name', '/users/{id}', '/users/{name}'],
  ['another name of the rest', '/files/{path...}', '/files/{rest...}'],
  ['another spelling of a static segment', '/caf%C3%A9', '/café'],
  ['other hexadecimal digits', '/%c3%a9', '/%C3%A9'],
  ['an encoded letter', '/%61bc', '/abc'],
] as const) {
  test(`a route with ${what} is taken`, () => {
    using opened = temporaryStore();
    opened.store.createEndpoint(newEndpoint('one', { path: first, domain: 'Example.com' }), NOW);
    const again = newEndpoint('two', { path: second, domain: 'example.COM' });
    assert.throws(() => opened.store.createEndpoint(again, NOW), { code: 'route_taken' });
    assert.equal(opened.store.endpoint('two'), null);
  });
}

test('routes that differ in domain, method, case, slash or kind of parameter live side by side', () => {
  using opened = temporaryStore();
  const routes = [
    { path: '/a/{id}' },
    { path: '/a/{id}', method: 'POST' },
    { path: '/a/{id}', method: 'ANY' },
    { path: '/a/{id}', domain: 'example.com' },
    { path: '/a/{rest...}' },
    { path: '/a/{id}/' },
    { path: '/A/{id}' },
    { path: '/a/%7Bid%7D' },
    { path: '/a%2F{id}'.replace('{id}', 'id') },
    { path: '/a/id' },
  ];
  for (const [index, route] of routes.entries()) opened.store.createEndpoint(newEndpoint(`e${index}`, route), NOW);
  assert.equal(opened.store.endpoints().length, routes.length);
});

test('a change keeps the other fields and sets the time', () => {
  using opened = temporaryStore();
  const created = opened.store.createEndpoint(newEndpoint('one', { description: 'first' }), NOW);
  const buildError = { code: 'compile_failed', message: 'no', at: NOW + 1 };
  const changed = opened.store.changeEndpoint('one', { code: 'fn x() {}', buildError, state: 'error' }, NOW + 1);
  assert.deepEqual(changed, { ...created, code: 'fn x() {}', buildError, state: 'error', updatedAt: NOW + 1 });
  assert.deepEqual(opened.store.endpoint('one'), changed);
});

test('a change to a route another endpoint has is refused, and the old route stays', () => {
  using opened = temporaryStore();
  opened.store.createEndpoint(newEndpoint('one'), NOW);
  opened.store.createEndpoint(newEndpoint('two'), NOW);
  assert.throws(() => opened.store.changeEndpoint('two', { path: '/one' }, NOW), { code: 'route_taken' });
  assert.equal(opened.store.endpoint('two')?.path, '/two');
  opened.store.changeEndpoint('one', { path: '/elsewhere' }, NOW);
  assert.equal(opened.store.changeEndpoint('two', { path: '/one' }, NOW).path, '/one');
});

test('changing or deleting an endpoint that is not there says so', () => {
  using opened = temporaryStore();
  assert.throws(() => opened.store.changeEndpoint('none', { name: 'x' }, NOW), { code: 'endpoint_not_found' });
  assert.throws(() => opened.store.deleteEndpoint('none'), { code: 'endpoint_not_found' });
  assert.throws(() => opened.store.addBuild(newBuild('b1', 'none')), { code: 'endpoint_not_found' });
  assert.throws(() => opened.store.addGeneration('none', 'b1'), { code: 'endpoint_not_found' });
});

test('endpoints are listed by id, page by page and by state', () => {
  using opened = temporaryStore();
  for (const id of ['c', 'a', 'e', 'b', 'd']) opened.store.createEndpoint(newEndpoint(id), NOW);
  opened.store.changeEndpoint('b', { state: 'error' }, NOW);
  opened.store.changeEndpoint('d', { state: 'error' }, NOW);
  const ids = (options?: Parameters<typeof opened.store.endpoints>[0]) =>
    opened.store.endpoints(options).map(endpoint => endpoint.id);
  assert.deepEqual(ids(), ['a', 'b', 'c', 'd', 'e']);
  assert.deepEqual(ids({ limit: 2 }), ['a', 'b']);
  assert.deepEqual(ids({ after: 'b', limit: 2 }), ['c', 'd']);
  assert.deepEqual(ids({ state: 'error' }), ['b', 'd']);
  assert.deepEqual(ids({ state: 'error', after: 'b' }), ['d']);
});

test('a build comes back as it was added', () => {
  using opened = temporaryStore();
  opened.store.createEndpoint(newEndpoint('one'), NOW);
  const warnings = [
    { level: 'warning', message: 'unused', file: 'src/lib.rs', line: 3, column: 9 },
    { level: 'warning', message: 'general', file: null, line: null, column: null },
  ];
  const build = newBuild('b1', 'one', { warnings, cached: true, dependencies: { regex: '1' } });
  opened.store.addBuild(build);
  assert.deepEqual(opened.store.build('b1'), build);
});

test('of several builds with one key the newest of that endpoint is found', () => {
  using opened = temporaryStore();
  for (const id of ['one', 'two']) opened.store.createEndpoint(newEndpoint(id), NOW);
  opened.store.addBuild(newBuild('z', 'one', { key: 'same' }));
  opened.store.addBuild(newBuild('a', 'one', { key: 'same' }));
  opened.store.addBuild(newBuild('m', 'two', { key: 'same' }));
  assert.equal(opened.store.buildByKey('one', 'same')?.id, 'a');
  assert.equal(opened.store.buildByKey('one', 'other'), null);
});

test('generations count up from 1 per endpoint, and are listed newest first', () => {
  using opened = temporaryStore();
  for (const id of ['one', 'two']) {
    opened.store.createEndpoint(newEndpoint(id), NOW);
    opened.store.addBuild(newBuild(`b-${id}`, id));
  }
  const first = opened.store.addGeneration('one', 'b-one');
  assert.deepEqual(first, {
    endpointId: 'one',
    generation: 1,
    buildId: 'b-one',
    cause: 'deploy',
    state: 'loading',
    outcome: null,
    requests: 0,
    loadedAt: null,
    drainingSince: null,
    retiredAt: null,
  });
  assert.equal(opened.store.addGeneration('one', 'b-one', 'automatic_rollback').generation, 2);
  assert.equal(opened.store.generation('one', 2)?.cause, 'automatic_rollback');
  assert.equal(opened.store.addGeneration('two', 'b-two').generation, 1);
  const numbers = (limit?: number) => opened.store.generations('one', limit).map(one => one.generation);
  assert.deepEqual(numbers(), [2, 1]);
  assert.deepEqual(numbers(1), [2]);
});

test('a generation changes, is found by its state, and is refused for a build of another endpoint', () => {
  using opened = temporaryStore();
  for (const id of ['one', 'two']) opened.store.createEndpoint(newEndpoint(id), NOW);
  opened.store.addBuild(newBuild('b1', 'one'));
  opened.store.addGeneration('one', 'b1');
  const change = { state: 'retired', outcome: 'forced', requests: 7, loadedAt: NOW, retiredAt: NOW + 5 } as const;
  const changed = opened.store.changeGeneration('one', 1, change);
  assert.deepEqual(opened.store.generation('one', 1), { ...changed, ...change });
  assert.deepEqual(opened.store.generationsInState(['retired', 'failed']), [changed]);
  assert.deepEqual(opened.store.generationsInState(['serving']), []);
  assert.throws(() => opened.store.addGeneration('two', 'b1'), { code: 'generation_not_found' });
  assert.throws(() => opened.store.changeGeneration('one', 9, { requests: 1 }), { code: 'generation_not_found' });
});

test('endpoints and generations are counted by state, and a state that does not occur is counted too', () => {
  using opened = temporaryStore();
  const none = { created: 0, compiled: 0, loaded: 0, draining: 0, error: 0 };
  assert.deepEqual(opened.store.endpointCounts(), none);
  for (const id of ['one', 'two', 'three']) opened.store.createEndpoint(newEndpoint(id), NOW);
  opened.store.changeEndpoint('two', { state: 'error' }, NOW);
  opened.store.addBuild(newBuild('b1', 'one'));
  for (const state of ['retired', 'retired', 'serving'] as const) {
    const { generation } = opened.store.addGeneration('one', 'b1');
    opened.store.changeGeneration('one', generation, { state });
  }
  assert.deepEqual(opened.store.endpointCounts(), { ...none, created: 2, error: 1 });
  const generations = { loading: 0, serving: 1, draining: 0, retired: 2, failed: 0 };
  assert.deepEqual(opened.store.generationCounts(), generations);
});

test('a deleted endpoint takes its builds, generations and route with it', () => {
  using opened = temporaryStore();
  opened.store.createEndpoint(newEndpoint('one'), NOW);
  opened.store.addBuild(newBuild('b1', 'one'));
  opened.store.addGeneration('one', 'b1');
  opened.store.changeEndpoint('one', { buildId: 'b1', generation: 1 }, NOW);
  opened.store.deleteEndpoint('one');
  assert.equal(opened.store.endpoint('one'), null);
  assert.equal(opened.store.build('b1'), null);
  assert.deepEqual(opened.store.generations('one'), []);
  assert.equal(opened.store.createEndpoint(newEndpoint('another', { path: '/one' }), NOW).id, 'another');
});

test('a transaction that throws leaves nothing, one that returns leaves all', () => {
  using opened = temporaryStore();
  const { store } = opened;
  const stopped = new Error('stopped');
  const failing = (): void => {
    store.createEndpoint(newEndpoint('one'), NOW);
    store.transaction(() => store.createEndpoint(newEndpoint('two'), NOW));
    throw stopped;
  };
  assert.throws(() => store.transaction(failing), stopped);
  assert.deepEqual(store.endpoints(), []);
  const result = store.transaction(() => {
    store.createEndpoint(newEndpoint('one'), NOW);
    return store.createEndpoint(newEndpoint('two'), NOW).id;
  });
  assert.equal(result, 'two');
  assert.equal(store.endpoints().length, 2);
});
