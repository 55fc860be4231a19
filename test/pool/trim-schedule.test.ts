import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrimSchedule } from '../../workers/trim-schedule.ts';

test('without a call there is nothing to trim', () => {
  assert.equal(new TrimSchedule().dueInMs(5_000), Infinity);
});

test('after the last call there are two trims, an interval apart', () => {
  const trims = new TrimSchedule();
  trims.noteCall();
  assert.deepEqual([trims.dueInMs(5_000), trims.dueInMs(5_400), trims.dueInMs(6_000)], [1_000, 600, 0]);
  trims.noteTrim(6_010);
  assert.deepEqual([trims.dueInMs(6_010), trims.dueInMs(7_500)], [1_000, 0]);
  trims.noteTrim(7_500);
  assert.equal(trims.dueInMs(9_000), Infinity);
});

test('as long as there are calls there is one trim in an interval', () => {
  const trims = new TrimSchedule();
  let count = 0;
  for (let nowMs = 0; nowMs < 10_000; nowMs += 10) {
    trims.noteCall();
    if (trims.dueInMs(nowMs) > 0) continue;
    trims.noteTrim(nowMs);
    count += 1;
  }
  assert.equal(count, 9);
});
