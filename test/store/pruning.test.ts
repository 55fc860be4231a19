import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { GenerationState, Store } from '../../src/store/records.ts';
import { newBuild, newEndpoint, NOW, temporaryStore } from './records.ts';

function deploy(store: Store, build: string, state: GenerationState): number {
  store.addBuild(newBuild(build, 'one'));
  const { generation } = store.addGeneration('one', build);
  store.changeGeneration('one', generation, { state });
  store.changeEndpoint('one', { buildId: build }, NOW);
  return generation;
}

function storeWithEndpoint() {
  const opened = temporaryStore();
  opened.store.createEndpoint(newEndpoint('one'), NOW);
  return opened;
}

function pruned(store: Store, keep: number): ReadonlySet<string> {
  store.pruneBuilds('one', keep);
  return store.digests();
}

const digests = (...builds: string[]): Set<string> => new Set(builds.map(build => `digest of ${build}`));

test('pruning keeps the builds of the last generations', () => {
  using opened = storeWithEndpoint();
  for (const build of ['b1', 'b2', 'b3', 'b4']) deploy(opened.store, build, 'retired');
  assert.deepEqual(pruned(opened.store, 2), digests('b3', 'b4'));
  assert.equal(opened.store.build('b2'), null);
  assert.equal(opened.store.build('b3')?.id, 'b3');
});

test('pruning keeps the latest build though nothing was deployed from it', () => {
  using opened = storeWithEndpoint();
  deploy(opened.store, 'b1', 'retired');
  opened.store.addBuild(newBuild('b2', 'one'));
  opened.store.addBuild(newBuild('b3', 'one'));
  opened.store.changeEndpoint('one', { buildId: 'b3' }, NOW);
  assert.deepEqual(pruned(opened.store, 1), digests('b1', 'b3'));
});

test('pruning keeps what serves or drains, however many generations came after it', () => {
  using opened = storeWithEndpoint();
  deploy(opened.store, 'draining', 'draining');
  const serving = deploy(opened.store, 'serving', 'serving');
  opened.store.changeEndpoint('one', { generation: serving }, NOW);
  for (const build of ['b1', 'b2', 'b3']) deploy(opened.store, build, 'failed');
  assert.deepEqual(pruned(opened.store, 1), digests('draining', 'serving', 'b3'));
});

test('pruning keeps the build an endpoint in state error should serve', () => {
  using opened = storeWithEndpoint();
  const wanted = deploy(opened.store, 'wanted', 'failed');
  opened.store.changeEndpoint('one', { generation: wanted, state: 'error' }, NOW);
  for (const build of ['b1', 'b2']) deploy(opened.store, build, 'failed');
  assert.deepEqual(pruned(opened.store, 1), digests('wanted', 'b2'));
});

test('failed deploys do not push out what a rollback goes back to', () => {
  using opened = storeWithEndpoint();
  deploy(opened.store, 'good', 'retired');
  for (const build of ['b1', 'b2', 'b3']) deploy(opened.store, build, 'failed');
  assert.deepEqual(pruned(opened.store, 1), digests('good', 'b3'));
});

test('pruning leaves the builds of other endpoints alone, and says how many it has deleted', () => {
  using opened = storeWithEndpoint();
  const { store } = opened;
  store.createEndpoint(newEndpoint('other'), NOW);
  for (const build of ['o1', 'o2']) store.addBuild(newBuild(build, 'other'));
  for (const build of ['b1', 'b2', 'b3']) deploy(store, build, 'retired');
  assert.equal(store.pruneBuilds('one', 1), 2);
  assert.equal(store.pruneBuilds('one', 1), 0);
  assert.deepEqual(store.digests(), digests('o1', 'o2', 'b3'));
});

test('a generation whose build is pruned stays in the history, and its number is never used again', () => {
  using opened = storeWithEndpoint();
  for (const build of ['b1', 'b2', 'b3']) deploy(opened.store, build, 'retired');
  opened.store.pruneBuilds('one', 1);
  assert.deepEqual(
    opened.store.generations('one').map(one => one.buildId),
    ['b3', 'b2', 'b1'],
  );
  assert.equal(opened.store.addGeneration('one', 'b3').generation, 4);
});

test('history keeps the newest ten thousand ended generations and every live one', () => {
  using opened = storeWithEndpoint();
  const { store } = opened;
  store.transaction(() => {
    deploy(store, 'b1', 'serving');
    for (let made = 1; made < 10_100; made += 1) {
      const { generation } = store.addGeneration('one', 'b1');
      store.changeGeneration('one', generation, { state: 'retired', outcome: 'drained' });
    }
  });
  store.pruneBuilds('one', 10);
  const numbers = store.generations('one').map(one => one.generation);
  assert.equal(numbers.length, 10_001);
  assert.deepEqual([numbers.at(0), numbers.at(-2), numbers.at(-1)], [10_100, 101, 1]);
  assert.equal(store.addGeneration('one', 'b1').generation, 10_101);
});
