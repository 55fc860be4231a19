import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LeastRecentMap } from '../../src/observe/backtrace/least-recent.ts';

/** What is there, of the keys a to f. */
const kept = (map: LeastRecentMap<string, number>): string =>
  ['a', 'b', 'c', 'd', 'e', 'f'].filter(key => map.get(key) !== undefined).join('');

test('what was not asked for the longest makes room, by number', () => {
  const map = new LeastRecentMap<string, number>({ count: 2, bytes: 100 });
  for (const key of ['a', 'b']) map.set(key, 1, 1);
  assert.equal(map.get('a'), 1);
  map.set('c', 1, 1);
  assert.equal(kept(map), 'ac');
});

test('and by bytes, as many as it takes', () => {
  const map = new LeastRecentMap<string, number>({ count: 10, bytes: 100 });
  for (const key of ['a', 'b', 'c']) map.set(key, 1, 30);
  map.set('d', 1, 60);
  assert.equal(kept(map), 'cd');
  map.set('c', 2, 40);
  assert.equal(kept(map), 'cd');
  assert.equal(map.get('c'), 2);
});

test('the newest stays, however large it is, and goes for the next', () => {
  const map = new LeastRecentMap<string, number>({ count: 10, bytes: 100 });
  map.set('a', 1, 30);
  map.set('b', 1, 1_000);
  assert.equal(kept(map), 'b');
  map.set('c', 1, 30);
  assert.equal(kept(map), 'c');
});

test('what is deleted makes room', () => {
  const map = new LeastRecentMap<string, number>({ count: 10, bytes: 100 });
  for (const key of ['a', 'b']) map.set(key, 1, 50);
  map.deleteWhere(key => key === 'b');
  map.set('c', 1, 50);
  assert.equal(kept(map), 'ac');
});
