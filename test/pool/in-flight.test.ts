import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { InFlight, type PoolRequest } from '../../src/pool/in-flight.ts';
import { partsOf } from './harness.ts';

function withClock(use: (inFlight: InFlight, expired: PoolRequest[], admit: () => PoolRequest) => void): void {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const expired: PoolRequest[] = [];
    const inFlight: InFlight = new InFlight(Date.now, request => expired.push(request));
    const admit = (): PoolRequest =>
      inFlight.admit(
        partsOf(''),
        100,
        () => {},
        () => {},
      );
    use(inFlight, expired, admit);
  } finally {
    mock.timers.reset();
  }
}

describe('deadlines', () => {
  it('expire each in its turn', () =>
    withClock((_inFlight, expired, admit) => {
      const first = admit();
      mock.timers.tick(60);
      const second = admit();
      mock.timers.tick(39);
      assert.deepEqual(expired, []);
      mock.timers.tick(1);
      assert.deepEqual(expired, [first]);
      mock.timers.tick(60);
      assert.deepEqual(expired, [first, second]);
    }));

  it('do not expire for requests that are settled or gone', () =>
    withClock((inFlight, expired, admit) => {
      inFlight.settled(admit());
      inFlight.end(admit());
      const third = admit();
      mock.timers.tick(100);
      assert.deepEqual(expired, [third]);
      assert.equal(inFlight.size, 2);
    }));

  it('move with the timeout, both ways', () =>
    withClock((inFlight, expired, admit) => {
      const request = admit();
      inFlight.moveDeadlines(50);
      mock.timers.tick(149);
      assert.deepEqual(expired, []);
      inFlight.moveDeadlines(-10);
      assert.deepEqual(expired, [request]);
    }));
});

describe('a request', () => {
  it('is settled once', () => {
    const outcomes: unknown[] = [];
    const inFlight = new InFlight(Date.now, () => {});
    const request = inFlight.admit(
      partsOf(''),
      1_000,
      outcome => outcomes.push(outcome),
      () => {},
    );
    request.fail('handler_crashed');
    request.fail('handler_timeout');
    assert.deepEqual(outcomes, [{ kind: 'failure', code: 'handler_crashed' }]);
    inFlight.close();
  });

  it('is not settled after its client left, and is dropped once', () => {
    const drops: string[] = [];
    const inFlight = new InFlight(Date.now, () => {});
    const settle = (): void => assert.fail('settled');
    const request = inFlight.admit(partsOf(''), 1_000, settle, (_request, reason) => drops.push(reason));
    request.cancel();
    request.cancel();
    request.fail('handler_timeout');
    assert.deepEqual(drops, ['clientGone']);
    inFlight.close();
  });
});
