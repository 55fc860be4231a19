import assert from 'node:assert/strict';
import { test } from 'node:test';
import { SharedCall } from '../../src/supervisor/fleet/shared-call.ts';

test('those who come while a call is under way share the next one, which is made when that is over', async () => {
  const calls: PromiseWithResolvers<string>[] = [];
  const shared = new SharedCall(async () => {
    const call = Promise.withResolvers<string>();
    calls.push(call);
    return call.promise;
  });
  const first = shared.run();
  const joined = Promise.all([shared.run(), shared.run()]);
  assert.equal(calls.length, 1);
  calls[0]?.resolve('first');
  assert.equal(await first, 'first');
  const late = shared.run();
  assert.equal(calls.length, 2);
  calls[1]?.resolve('second');
  assert.deepEqual(await joined, ['second', 'second']);
  assert.equal(calls.length, 3, 'one that came during the second has its own');
  calls[2]?.resolve('third');
  assert.equal(await late, 'third');
});

test('a call that nobody waits for is made at once', async () => {
  let calls = 0;
  const shared = new SharedCall(async () => (calls += 1));
  for (const expected of [1, 2, 3]) {
    const answer = shared.run();
    assert.equal(calls, expected);
    assert.equal(await answer, expected);
  }
});
