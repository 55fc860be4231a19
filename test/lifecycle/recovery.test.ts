import assert from 'node:assert/strict';
import { test } from 'node:test';
import { buildOf, ControlPlane } from '../support/control-plane.ts';

/** The same data directory after a start. */
async function restarted(plane: ControlPlane): Promise<ControlPlane> {
  plane.store.close();
  return ControlPlane.open(plane.dataDir);
}

test('what served is served again under its number, without compiling', async () => {
  const first = await ControlPlane.open();
  await first.create('a');
  await first.create('b');
  await first.deploy('a', 'one');
  await first.deploy('a', 'two');
  await using second = await restarted(first);
  const { endpoints, outdated } = await second.lifecycle.recover();
  assert.deepEqual(outdated, []);
  assert.deepEqual(
    endpoints.map(({ id, serving }) => [id, serving]),
    [
      ['a', { generation: 2, artifactPath: '/artifacts/two.so' }],
      ['b', null],
    ],
  );
  assert.deepEqual([second.state('a'), second.state('b')], ['loaded', 'created']);
  assert.deepEqual(second.compiler.inputs, []);
});

test('generations left loading have failed, those left draining were forced', async () => {
  const first = await ControlPlane.open();
  await first.create('a');
  await first.deploy('a', 'one');
  first.dataPlane.retiresAtOnce = false;
  first.dataPlane.requestsLeft = 1;
  await first.deploy('a', 'two');
  first.store.addGeneration('a', first.store.endpoint('a')?.buildId ?? '');
  assert.equal(first.state('a'), 'draining');
  await using second = await restarted(first);
  await second.lifecycle.recover();
  assert.deepEqual(second.generations('a'), ['retired (forced)', 'serving', 'failed']);
  assert.equal(second.state('a'), 'loaded');
});

test('an undeploy that was under way is over', async () => {
  const first = await ControlPlane.open();
  await first.create('a');
  await first.deploy('a', 'one');
  first.dataPlane.retiresAtOnce = false;
  const { promise: asked, resolve } = Promise.withResolvers<void>();
  first.dataPlane.figures = async () => {
    resolve();
    return [];
  };
  void first.lifecycle.undeploy('a');
  await asked;
  await using second = await restarted(first);
  const { endpoints } = await second.lifecycle.recover();
  assert.equal(endpoints[0]?.serving, null);
  assert.equal(second.state('a'), 'compiled');
  assert.deepEqual(second.generations('a'), ['retired (forced)']);
});

test('a missing artifact puts its endpoint in error, everything else comes up, and later it mends', async () => {
  const first = await ControlPlane.open();
  for (const id of ['a', 'b']) {
    await first.create(id);
    await first.deploy(id, `code ${id}`);
  }
  const second = await restarted(first);
  second.compiler.missing.add('code a');
  const { endpoints } = await second.lifecycle.recover();
  assert.deepEqual(
    endpoints.map(({ serving }) => serving?.generation ?? null),
    [null, 1],
  );
  assert.deepEqual([second.state('a'), second.state('b')], ['error', 'loaded']);
  assert.equal(second.lastError('a')?.code, 'load_failed');
  await using third = await restarted(second);
  await third.lifecycle.recover();
  assert.equal(third.state('a'), 'loaded');
  assert.equal(third.lastError('a'), null);
});

test('an artifact of another ABI is built again from its stored source and served as a new generation', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a', { code: 'newest' });
  plane.store.addBuild(buildOf({ endpointId: 'a', code: 'old', dependencies: {} }, 'old-build', 0));
  plane.store.addGeneration('a', 'old-build');
  plane.store.changeGeneration('a', 1, { state: 'serving', loadedAt: 1 });
  plane.store.changeEndpoint('a', { state: 'loaded', generation: 1, buildId: 'old-build' }, 1);
  const { endpoints, outdated } = await plane.lifecycle.recover();
  assert.equal(endpoints[0]?.serving, null);
  assert.equal(plane.state('a'), 'error');
  const [build] = outdated;
  assert.ok(build);
  assert.equal((await plane.lifecycle.rebuild(build))?.generation, 2);
  assert.equal(plane.served('a'), 'old');
  assert.equal(plane.state('a'), 'loaded');
  assert.equal(plane.compiler.inputs[0]?.code, 'old');
  assert.equal(await plane.lifecycle.rebuild(build), null, 'something else is deployed by now');
});
