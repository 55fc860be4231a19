import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PreparedAhead } from '../../src/supervisor/fleet/prepared-ahead.ts';
import { endpoint } from './test-fleet.ts';

test('what a process is told while its answer is on the way counts more than the answer', () => {
  const ahead = new PreparedAhead();
  const next = endpoint('a', 2);
  for (const tell of [() => ahead.abandoned('a', 2), () => ahead.committed('a')]) {
    const answered = ahead.ask(next);
    assert.equal(ahead.has(next), false, 'not answered yet');
    tell();
    answered(true);
    assert.equal(ahead.has(next), false);
  }
  ahead.ask(next)(false);
  assert.equal(ahead.has(next), false);
  ahead.ask(next)(true);
  assert.equal(ahead.has(next), true);
});
