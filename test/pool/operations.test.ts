import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { OPERATION, OPERATION_STATUS } from '../../src/protocol/frame.ts';
import { startOperation } from '../../workers/operations.ts';

/** Starts a sleep; resolves with its status and how long it took. */
function slept(milliseconds: number): Promise<{ status: number; tookMs: number }> {
  const payload = Buffer.alloc(8);
  payload.writeBigUInt64LE(BigInt(Math.round(milliseconds * 1e6)));
  const start = performance.now();
  return new Promise(resolve => {
    startOperation(OPERATION.sleep, payload, status => resolve({ status, tookMs: performance.now() - start }));
  });
}

describe('sleep', () => {
  it('is never shorter than asked for', async () => {
    const sleeps = Array.from({ length: 400 }, (_, index) => index / 20);
    const ended = await Promise.all(sleeps.map(slept));
    for (const [index, { status, tookMs }] of ended.entries()) {
      assert.equal(status, OPERATION_STATUS.done);
      assert.ok(tookMs >= (sleeps[index] ?? 0), `${sleeps[index]} ms took ${tookMs} ms`);
    }
  });

  it('counts in less than milliseconds', async () => {
    const took: number[] = [];
    for (let round = 0; round < 51; round++) took.push((await slept(0.2)).tookMs);
    const median = took.toSorted((a, b) => a - b)[25] ?? 0;
    assert.ok(median < 0.9, `the median of 0.2 ms is ${median} ms`);
  });

  it('gives no result once it is stopped', async () => {
    const results: number[] = [];
    const payload = Buffer.alloc(8);
    payload.writeBigUInt64LE(3_000_000n);
    startOperation(OPERATION.sleep, payload, status => results.push(status))();
    await slept(10);
    assert.deepEqual(results, []);
  });
});

describe('an operation nobody knows', () => {
  it('ends as unknown, and not during its start', async () => {
    let started = false;
    const status = await new Promise<number>(resolve => {
      startOperation(4_711, Buffer.alloc(0), status => {
        assert.ok(started);
        resolve(status);
      });
      started = true;
    });
    assert.equal(status, OPERATION_STATUS.unknown);
  });
});
