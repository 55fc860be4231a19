import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isDeepStrictEqual } from 'node:util';
import { ControlPlane, FakeDataPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';

test('a deploy prepares everywhere, writes, flips and answers with state, generation and time', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  assert.equal(plane.state('a'), 'created');
  await plane.lifecycle.compile('a');
  assert.equal(plane.state('a'), 'compiled');
  const deployed = await plane.lifecycle.deploy('a');
  assert.deepEqual({ ...deployed, swapMs: 0, loadMs: 0 }, { state: 'loaded', generation: 1, swapMs: 0, loadMs: 0 });
  assert.ok(deployed.swapMs > 0);
  assert.equal(plane.served('a'), 'one');
  assert.deepEqual(plane.dataPlane.calls, ['commit a none', 'prepare a 1', 'commit a 1']);
});

test('an endpoint that was never built cannot be deployed, and one without code not compiled', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a', { code: null });
  await assert.rejects(plane.lifecycle.deploy('a'), { code: 'not_compiled' });
  await assert.rejects(plane.lifecycle.compile('a'), { code: 'no_code' });
  await assert.rejects(plane.lifecycle.deploy('b'), { code: 'endpoint_not_found' });
});

test('the commit is in the store before the gateway processes hear of it', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  const states: string[] = [];
  const { dataPlane } = plane;
  const commit = dataPlane.commit.bind(dataPlane);
  dataPlane.commit = async (id, endpoint) => {
    states.push(plane.generations(id).join());
    return commit(id, endpoint);
  };
  await plane.deploy('a', 'one');
  await plane.deploy('a', 'two');
  assert.deepEqual(states, ['serving', 'draining,serving']);
});

test('two deploys at once of one endpoint run one after the other, those of different ones side by side', async () => {
  await using plane = await ControlPlane.open();
  const preparing = new Set<string>();
  let most = 0;
  const { promise: both, resolve } = Promise.withResolvers<void>();
  plane.dataPlane.beforePrepare = async ({ id }) => {
    assert.ok(!preparing.has(id), `${id} is prepared twice at once`);
    preparing.add(id);
    most = Math.max(most, preparing.size);
    if (preparing.size === 2) resolve();
    await both;
    preparing.delete(id);
  };
  for (const id of ['a', 'b']) {
    await plane.create(id);
    await plane.lifecycle.compile(id);
  }
  const deploys = ['a', 'b', 'a', 'a'].map(async id => (await plane.lifecycle.deploy(id)).generation);
  assert.deepEqual(await Promise.all(deploys), [1, 1, 2, 3]);
  assert.equal(most, 2);
});

test('a failed prepare abandons everywhere, marks the generation, and the old one goes on serving', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'symbol_missing', message: 'no handler_entry' }];
  await assert.rejects(plane.deploy('a', 'two'), { code: 'load_failed', message: /no handler_entry/ });
  assert.deepEqual(plane.generations('a'), ['serving', 'failed']);
  assert.equal(plane.served('a'), 'one');
  assert.equal(plane.state('a'), 'loaded');
  assert.equal(plane.dataPlane.calls.at(-1), 'abandon a 2');
  assert.equal(await plane.deploy('a', 'three'), 3);
});

test('a build whose artifact is gone cannot be deployed', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.lifecycle.compile('a');
  plane.compiler.missing.add('one');
  await assert.rejects(plane.lifecycle.deploy('a'), { code: 'load_failed' });
  assert.deepEqual(plane.generations('a'), ['failed']);
});

test('a failed build changes neither state nor what serves; the next good one clears the error', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.lifecycle.change('a', { code: 'fail' });
  await assert.rejects(plane.lifecycle.compile('a'), { code: 'compile_failed' });
  assert.equal(plane.state('a'), 'loaded');
  assert.equal(plane.lastError('a')?.code, 'compile_failed');
  assert.equal(plane.served('a'), 'one');
  await plane.lifecycle.change('a', { code: 'good' });
  await plane.lifecycle.compile('a');
  assert.equal(plane.lastError('a'), null);
});

test('an endpoint is draining while an older generation has requests, and loaded when the last has ended', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.retiresAtOnce = false;
  plane.dataPlane.requestsLeft = 3;
  await plane.deploy('a', 'two');
  assert.equal(plane.state('a'), 'draining');
  await plane.deploy('a', 'three');
  assert.deepEqual(plane.generations('a'), ['draining', 'draining', 'serving']);
  plane.dataPlane.retire('a', 1, { requests: 4 });
  assert.equal(plane.state('a'), 'draining');
  plane.dataPlane.retire('a', 2, { outcome: 'forced', requests: 1, processes: [101] });
  assert.equal(plane.generations('a')[1], 'draining');
  plane.dataPlane.retire('a', 2, { requests: 2, processes: [102] });
  assert.deepEqual(plane.generations('a'), ['retired (drained)', 'retired (forced)', 'serving']);
  assert.equal(plane.state('a'), 'loaded');
  assert.deepEqual(
    plane.store.generations('a').map(({ requests }) => requests),
    [0, 3, 8],
  );
});

test('without requests in flight the endpoint is loaded at once, whenever the old images go', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.retiresAtOnce = false;
  await plane.deploy('a', 'two');
  assert.equal(plane.state('a'), 'loaded');
  plane.dataPlane.retire('a', 1);
  assert.deepEqual(plane.generations('a'), ['retired (drained)', 'serving']);
});

test('a process that dies while it drains counts as forced, one that ends after its requests does not', async () => {
  await using plane = await ControlPlane.open();
  for (const id of ['a', 'b']) {
    await plane.create(id);
    await plane.deploy(id, 'one');
  }
  plane.dataPlane.retiresAtOnce = false;
  plane.dataPlane.requestsLeft = 1;
  await plane.deploy('a', 'two');
  plane.dataPlane.die(101, true);
  plane.dataPlane.retire('a', 1, { processes: [102], requests: 2 });
  assert.deepEqual(plane.generations('a'), ['retired (drained)', 'serving']);
  assert.equal(plane.store.generation('a', 1)?.requests, 7, 'what the ended process counted is kept');
  await plane.deploy('b', 'two');
  plane.dataPlane.die(102, false);
  assert.deepEqual(plane.generations('b'), ['retired (forced)', 'serving']);
  assert.equal(plane.state('b'), 'loaded');
});

test('rollback goes back to the build that served before, twice there and back', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  await assert.rejects(plane.lifecycle.rollback('a'), { code: 'no_earlier_generation' });
  await plane.deploy('a', 'two');
  assert.equal((await plane.lifecycle.rollback('a')).generation, 3);
  assert.equal(plane.served('a'), 'one');
  await plane.lifecycle.rollback('a');
  assert.equal(plane.served('a'), 'two');
  await plane.lifecycle.rollback('a', 1);
  assert.equal(plane.served('a'), 'one');
  await assert.rejects(plane.lifecycle.rollback('a', 99), { code: 'generation_not_found' });
});

test('rollback passes over generations that never served and over the same code deployed again', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.deploy('a', 'two');
  await plane.lifecycle.deploy('a');
  plane.dataPlane.prepareOutcomes = [{ ok: false, code: 'init_failed', message: 'no' }];
  await assert.rejects(plane.deploy('a', 'three'), { code: 'load_failed' });
  await plane.lifecycle.rollback('a');
  assert.equal(plane.served('a'), 'one');
});

test('undeploy refuses at once and answers when everything is drained', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.retiresAtOnce = false;
  const { promise: flipped, resolve } = Promise.withResolvers<void>();
  const figures = plane.dataPlane.figures.bind(plane.dataPlane);
  plane.dataPlane.figures = async () => {
    resolve();
    return figures();
  };
  const undeployed = plane.lifecycle.undeploy('a');
  await flipped;
  assert.equal(plane.served('a'), undefined);
  assert.equal(plane.state('a'), 'draining');
  plane.dataPlane.retire('a', 1);
  assert.equal((await undeployed).state, 'compiled');
  assert.equal((await plane.lifecycle.undeploy('a')).state, 'compiled', 'a second one has nothing to do');
  await plane.lifecycle.deploy('a');
  assert.equal(plane.state('a'), 'loaded');
});

test('a process that holds nothing of a generation does not hold up its end', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.retiresAtOnce = false;
  plane.dataPlane.requestsLeft = 1;
  await plane.deploy('a', 'two');
  plane.dataPlane.processes.push(103);
  plane.dataPlane.retire('a', 1, { processes: [101, 102] });
  assert.deepEqual(plane.generations('a'), ['retired (drained)', 'serving']);
});

test('delete waits for the drain, then endpoint, route and project folder are gone', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const removed = plane.lifecycle.remove('a');
  const late = plane.lifecycle.deploy('a');
  await removed;
  await assert.rejects(late, { code: 'endpoint_deleted' });
  assert.equal(plane.store.endpoint('a'), null);
  assert.equal(plane.dataPlane.routed.has('a'), false);
  assert.deepEqual(plane.compiler.removed, ['a']);
  await plane.create('a');
  assert.equal(plane.state('a'), 'created');
});

test('a compile that ends after its endpoint was deleted says so', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  const { promise: gone, resolve } = Promise.withResolvers<void>();
  plane.compiler.beforeCompile = async () => gone;
  const compiled = plane.lifecycle.compile('a');
  await plane.lifecycle.remove('a');
  resolve();
  await assert.rejects(compiled, { code: 'endpoint_deleted' });
});

test('an endpoint that was deleted and created again is another one: nothing asked of the first reaches it', async () => {
  await using plane = await ControlPlane.over(new FakeDataPlane());
  await plane.create('a', { code: 'of the first' });
  const { promise: built, resolve: finishBuild } = Promise.withResolvers<void>();
  plane.compiler.beforeCompile = async () => built;
  const compiled = plane.lifecycle.compile('a');
  const { promise: cleared, resolve: finishRemoval } = Promise.withResolvers<void>();
  plane.compiler.removeProject = async () => cleared;
  const removed = plane.lifecycle.remove('a');
  const deployed = plane.lifecycle.deploy('a');
  await eventually('the first is gone', () => plane.store.endpoint('a') === null);
  const created = plane.create('a', { code: 'of the second' });
  finishBuild();
  await assert.rejects(compiled, { code: 'endpoint_deleted' });
  finishRemoval();
  await assert.rejects(deployed, { code: 'endpoint_deleted' });
  await Promise.all([removed, created]);
  assert.equal(plane.state('a'), 'created');
  const changes = plane.seen.flatMap(event => (event.type === 'endpoint' ? [event.change] : []));
  assert.deepEqual(changes, ['created', 'deleted', 'created']);
});

test('a change of route or limits is told to the processes, one of code or name is not', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const before = plane.dataPlane.calls.length;
  await plane.lifecycle.change('a', { name: 'other', code: 'two' });
  assert.equal(plane.dataPlane.calls.length, before);
  await plane.lifecycle.change('a', { path: '/moved', timeoutMs: 50 });
  assert.equal(plane.dataPlane.calls.length, before + 1);
  const spec = plane.dataPlane.routed.get('a');
  assert.deepEqual([spec?.route.path, spec?.timeoutMs, spec?.serving?.generation], ['/moved', 50, 1]);
});

test('a serving generation that cannot be bound any more puts the endpoint in error, a deploy mends it', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const failure = { code: 'open_failed', message: 'it is damaged' };
  plane.lifecycle.listener.endpointFailed('a', 7, failure);
  assert.equal(plane.state('a'), 'loaded', 'another generation is meant');
  plane.lifecycle.listener.endpointFailed('a', 1, failure);
  assert.equal(plane.state('a'), 'error');
  assert.equal(plane.lastError('a')?.message, 'it is damaged');
  await plane.deploy('a', 'two');
  assert.equal(plane.state('a'), 'loaded');
  assert.equal(plane.lastError('a'), null);
});

test('a process that comes up with the endpoint mends it too', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const spec = plane.dataPlane.routed.get('a');
  assert.ok(spec);
  plane.lifecycle.listener.started([spec], [{ endpoint: 'a', code: 'open_failed', message: 'no' }]);
  assert.equal(plane.state('a'), 'error');
  plane.lifecycle.listener.started([spec], []);
  assert.equal(plane.state('a'), 'loaded');
});

test('after deploys, artifacts that no rollback reaches are let go', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  for (let index = 1; index <= 12; index += 1) await plane.deploy('a', `code ${index}`);
  const reachable = Array.from({ length: 10 }, (_, index) => `code ${index + 3}`).toSorted();
  await eventually('the others are gone', () => isDeepStrictEqual([...plane.compiler.kept].toSorted(), reachable));
});

test('builds that were never deployed are let go once there is a newer one', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  for (const code of ['one', 'two', 'three']) {
    await plane.lifecycle.change('a', { code });
    await plane.lifecycle.compile('a');
  }
  await eventually('the last is left', () => isDeepStrictEqual([...plane.compiler.kept], ['three']));
});
