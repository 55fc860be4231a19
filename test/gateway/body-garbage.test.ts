import assert from 'node:assert/strict';
import { test } from 'node:test';
import { BodyGarbage } from '../../src/gateway/bodies/body-garbage.ts';

test('garbage is collected when bodies of medium size have left 8 MiB of it', () => {
  let collected = 0;
  const garbage = new BodyGarbage(() => (collected += 1));
  for (let count = 0; count < 127; count += 1) garbage.left(64 * 1024);
  for (let count = 0; count < 10_000; count += 1) garbage.left(1_024);
  for (let count = 0; count < 100; count += 1) garbage.left(1024 * 1024);
  assert.equal(collected, 0);
  garbage.left(64 * 1024);
  assert.equal(collected, 1);
  garbage.left(64 * 1024);
  assert.equal(collected, 1);
});
