/** What the control plane does while the store cannot be written. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AdminError } from '../../src/errors.ts';
import { ControlPlane } from '../support/control-plane.ts';
import { eventually } from '../support/eventually.ts';

const refuse = (): never => {
  throw new AdminError('storage_failed');
};

test('a report that cannot be written, because the disk is full, is written as soon as it can be', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  plane.dataPlane.retiresAtOnce = false;
  plane.dataPlane.requestsLeft = 1;
  await plane.deploy('a', 'two');
  const { store } = plane;
  const transaction = store.transaction.bind(store);
  store.transaction = refuse;
  plane.dataPlane.retire('a', 1, { requests: 3 });
  assert.equal(plane.state('a'), 'draining');
  assert.ok(plane.seen.some(({ type }) => type === 'failure'));
  store.transaction = transaction;
  await eventually('it is written', () => plane.state('a') === 'loaded');
  assert.deepEqual(plane.generations('a'), ['retired (drained)', 'serving']);
  assert.equal(store.generation('a', 1)?.requests, 6);
});

test('a deploy that fails because the disk is full leaves its generation failed, once that can be written', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const { store } = plane;
  const transaction = store.transaction.bind(store);
  plane.dataPlane.beforePrepare = async () => {
    store.transaction = refuse;
  };
  await assert.rejects(plane.lifecycle.deploy('a'), { code: 'storage_failed' });
  assert.deepEqual(plane.generations('a'), ['serving', 'loading']);
  store.transaction = transaction;
  await eventually('it is written', () => plane.generations('a')[1] === 'failed');
  assert.equal(plane.served('a'), 'one');
  assert.equal(plane.state('a'), 'loaded');
});

test('a deploy of what is prepared ahead that fails because the disk is full leaves nothing of itself', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const { store, dataPlane } = plane;
  dataPlane.hasThreadsToSpare = true;
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  await eventually('it is prepared', () => dataPlane.preparedAhead !== null);
  const transaction = store.transaction.bind(store);
  store.transaction = refuse;
  await assert.rejects(plane.lifecycle.deploy('a'), { code: 'storage_failed' });
  assert.equal(dataPlane.calls.at(-1), 'abandon a 2');
  store.transaction = transaction;
  assert.deepEqual([plane.generations('a'), plane.served('a'), plane.state('a')], [['serving'], 'one', 'loaded']);
  dataPlane.preparedAhead = null;
  assert.equal((await plane.lifecycle.deploy('a')).generation, 2);
  assert.equal(plane.served('a'), 'two');
});

test('a disk that is full once the new generation serves fails no deploy, and what it left is written later', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  await plane.lifecycle.change('a', { code: 'two' });
  await plane.lifecycle.compile('a');
  const { store, dataPlane } = plane;
  const changeEndpoint = store.changeEndpoint.bind(store);
  const commit = dataPlane.commit.bind(dataPlane);
  dataPlane.commit = async (id, endpoint) => {
    store.changeEndpoint = refuse;
    return commit(id, endpoint);
  };
  dataPlane.retiresAtOnce = false;
  dataPlane.requestsLeft = 1;
  const { state, generation } = await plane.lifecycle.deploy('a');
  assert.deepEqual([state, generation, plane.served('a')], ['draining', 2, 'two']);
  assert.equal(plane.state('a'), 'loaded');
  assert.ok(plane.seen.some(({ type }) => type === 'swap'));
  store.changeEndpoint = changeEndpoint;
  await eventually('it is written', () => plane.state('a') === 'draining');
  dataPlane.retire('a', 1);
  assert.equal(plane.state('a'), 'loaded');
});

test('what a deploy has left to write is nothing any more when another has come meanwhile', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  await plane.deploy('a', 'one');
  const { store, dataPlane } = plane;
  dataPlane.retiresAtOnce = false;
  dataPlane.requestsLeft = 1;
  const changeEndpoint = store.changeEndpoint.bind(store);
  let refused = 0;
  store.changeEndpoint = (id, change, now) => {
    if (change.state !== 'draining' || refused > 0) return changeEndpoint(id, change, now);
    refused += 1;
    throw new AdminError('storage_failed');
  };
  await plane.deploy('a', 'two');
  dataPlane.requestsLeft = 0;
  await plane.deploy('a', 'three');
  let writes = 0;
  const transaction = store.transaction.bind(store);
  store.transaction = work => {
    writes += 1;
    return transaction(work);
  };
  await eventually('it is tried again', () => writes === 1);
  assert.deepEqual([refused, plane.state('a')], [1, 'loaded']);
});

test('an endpoint that cannot be deleted, because the disk is full, keeps its route', async () => {
  await using plane = await ControlPlane.open();
  await plane.create('a');
  const { store } = plane;
  const deleteEndpoint = store.deleteEndpoint.bind(store);
  store.deleteEndpoint = refuse;
  await assert.rejects(plane.lifecycle.remove('a'), { code: 'storage_failed' });
  assert.equal(plane.dataPlane.routed.get('a')?.route.path, '/a');
  store.deleteEndpoint = deleteEndpoint;
  await plane.lifecycle.remove('a');
  assert.equal(plane.dataPlane.routed.has('a'), false);
});
