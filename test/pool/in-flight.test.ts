import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { InFlight } from '../../src/pool/requests/in-flight.ts';
import { PoolRequest } from '../../src/pool/requests/pool-request.ts';
import { RequestTable } from '../../src/pool/requests/request-table.ts';
import { partsOf } from './harness.ts';

function withClock(use: (inFlight: InFlight, expired: PoolRequest[], admit: () => PoolRequest) => void): void {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const expired: PoolRequest[] = [];
    const inFlight = new InFlight(Date.now, request => {
      request.fail('handler_timeout');
      expired.push(request);
    });
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
      admit().fail('handler_crashed');
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

describe('the request table', () => {
  const withTable = (use: (table: RequestTable, admit: () => PoolRequest) => void): void => {
    const table = new RequestTable();
    const nothing = (): void => {};
    use(table, () => {
      const request = new PoolRequest(partsOf(''), table.nextNumber(), 0, 0, nothing, nothing);
      table.add(request);
      return request;
    });
  };

  it('finds each of many by its number, and none that has left', () =>
    withTable((table, admit) => {
      const requests = Array.from({ length: 1_000 }, admit);
      for (const request of requests) assert.equal(table.get(request.number), request);
      assert.deepEqual(new Set(table), new Set(requests));
      for (const request of requests.slice(0, 600)) table.delete(request);
      assert.equal(table.size, 400);
      assert.deepEqual(
        requests.map(({ number }) => table.get(number)),
        requests.map((request, index) => (index < 600 ? undefined : request)),
      );
      assert.deepEqual(new Set(table), new Set(requests.slice(600)));
    }));

  it('gives no number whose place is taken, however often the others come and go', () =>
    withTable((table, admit) => {
      const staying = Array.from({ length: 20 }, admit);
      for (let count = 0; count < 10_000; count += 1) {
        const request = admit();
        assert.equal(table.get(request.number), request);
        table.delete(request);
        assert.equal(table.get(request.number), undefined);
      }
      for (const request of staying) assert.equal(table.get(request.number), request);
      assert.equal(table.size, 20);
    }));

  it('can lose and gain requests while it is gone through', () =>
    withTable((table, admit) => {
      const requests = Array.from({ length: 40 }, admit);
      const seen: PoolRequest[] = [];
      for (const request of table) {
        if (seen.length === 0) Array.from({ length: 100 }, admit);
        seen.push(request);
        for (const other of requests) table.delete(other);
      }
      assert.deepEqual(
        seen.filter(request => requests.includes(request)),
        requests.slice(0, 1),
      );
      assert.equal(table.size, 100);
    }));
});
