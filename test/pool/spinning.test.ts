import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { MainSpinner } from '../../src/pool/ring/main-spinner.ts';
import { monotonicNowMs } from '../../src/protocol/clock.ts';
import { DOORBELL_BYTES, DOORBELL_WORD } from '../../src/protocol/ring.ts';
import { SPINNING, SpinScore } from '../../src/protocol/spinning.ts';
import { Spinner } from '../../workers/spinner.ts';

describe('the score of a spinner', () => {
  it('makes each time in vain half as frequent, down to every 64th, and starts anew with a hit', () => {
    const score = new SpinScore();
    const gaps = [1, 2, 3, 4, 5, 6, 7, 8].map(() => {
      score.miss();
      let skipped = 0;
      while (!score.isDue()) skipped += 1;
      return skipped;
    });
    assert.deepEqual(gaps, [1, 3, 7, 15, 31, 63, 63, 63]);
    score.hit();
    score.miss();
    assert.deepEqual([score.isDue(), score.isDue()], [false, true]);
  });
});

describe('the main thread', () => {
  const few = SPINNING.inFlightMax;

  it('goes on turning until the reply is there, or for a short while', () => {
    const clock = { now: 1_000 };
    const spinner = new MainSpinner(() => clock.now);
    spinner.begin();
    assert.equal(spinner.goesOn(1), true);
    assert.equal(spinner.goesOn(0), false, 'the reply was there');
    spinner.begin();
    assert.equal(spinner.goesOn(1), true);
    clock.now += SPINNING.mainMs / 2;
    assert.equal(spinner.goesOn(1), true);
    clock.now += SPINNING.mainMs;
    assert.equal(spinner.goesOn(1), false, 'it takes too long');
    assert.equal(spinner.goesOn(1), false, 'and nothing new has come');
    spinner.begin();
    assert.equal(spinner.goesOn(1), false, 'it was in vain the last time');
    spinner.begin();
    assert.equal(spinner.goesOn(1), true);
  });

  it('does not while many requests are in flight, nor for a window after', () => {
    const clock = { now: 1_000 };
    const spinner = new MainSpinner(() => clock.now);
    const ask = (inFlight: number): boolean => {
      spinner.begin();
      return spinner.goesOn(inFlight);
    };
    assert.equal(ask(few + 1), false);
    assert.equal(spinner.isFew, false);
    clock.now += SPINNING.windowMs;
    assert.equal(ask(few), false, 'there were too many in the window before');
    clock.now += SPINNING.windowMs;
    assert.equal(ask(few), true);
    assert.equal(spinner.isFew, true);
  });

  it('forgets how many there were when nothing happens for two windows', () => {
    const clock = { now: 1_000 };
    const spinner = new MainSpinner(() => clock.now);
    spinner.goesOn(100);
    clock.now += 2 * SPINNING.windowMs;
    spinner.begin();
    assert.equal(spinner.goesOn(1), true);
  });
});

describe('a worker', () => {
  const allowed = (): { doorbell: SharedArrayBuffer; words: Int32Array } => {
    const doorbell = new SharedArrayBuffer(DOORBELL_BYTES);
    const words = new Int32Array(doorbell);
    words[DOORBELL_WORD.fewInFlight] = 1;
    return { doorbell, words };
  };

  it('looks until its request is there, for a while at most, and gives its turn back', () => {
    const { doorbell, words } = allowed();
    const spinner = new Spinner(doorbell);
    let looks = 0;
    const found = spinner.find(() => {
      assert.notEqual(words[DOORBELL_WORD.spinningUntil], 0, 'it has its turn');
      looks += 1;
      return looks === 3;
    });
    assert.deepEqual([found, looks, words[DOORBELL_WORD.spinningUntil]], [true, 3, 0]);
    const beganMs = monotonicNowMs();
    assert.equal(
      spinner.find(() => false),
      false,
    );
    assert.ok(monotonicNowMs() - beganMs >= SPINNING.workerMs);
    assert.equal(words[DOORBELL_WORD.spinningUntil], 0);
  });

  it('stops as soon as there are too many requests in flight', () => {
    const { doorbell, words } = allowed();
    const spinner = new Spinner(doorbell);
    assert.equal(spinner.isAllowed, true);
    const found = spinner.find(() => {
      words[DOORBELL_WORD.fewInFlight] = 0;
      return false;
    });
    assert.deepEqual([found, spinner.isAllowed], [false, false]);
  });

  it('does not look while another one does, unless that one’s turn is long over', () => {
    const { doorbell, words } = allowed();
    const [first, second] = [new Spinner(doorbell), new Spinner(doorbell)];
    let isThere = false;
    first.find(() => {
      assert.equal(
        second.find(() => assert.fail('two look')),
        false,
      );
      return (isThere = true);
    });
    assert.ok(isThere);
    // Left behind by a thread that died in the middle of its turn.
    words[DOORBELL_WORD.spinningUntil] = (Math.trunc(monotonicNowMs() * 1_000) | 0) - 1;
    assert.equal(
      second.find(() => true),
      true,
    );
  });
});
