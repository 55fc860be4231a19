import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { POOL_THREADS_MAX } from '../../src/config.ts';
import { WORKERS_MAX } from '../../src/protocol/ring.ts';
import { decideScaling, SCALING, type ScalingSnapshot } from '../../src/pool/scaling.ts';

const NOW_MS = 1_000_000;
const busy: ScalingSnapshot = {
  nowMs: NOW_MS,
  waitingSinceMs: NOW_MS - SCALING.growAfterMs,
  workers: 2,
  bindingWorkers: 0,
  parkedWorkers: 0,
  threadsMax: 4,
  allBusyAtMs: NOW_MS,
};
const idle: ScalingSnapshot = {
  ...busy,
  waitingSinceMs: null,
  parkedWorkers: 2,
  allBusyAtMs: NOW_MS - SCALING.shrinkAfterMs,
};

describe('a pool grows', () => {
  it('when a request has waited long enough and every worker is busy', () => {
    assert.equal(decideScaling(busy), 'grow');
  });

  it('not before', () => {
    assert.equal(decideScaling({ ...busy, waitingSinceMs: NOW_MS - SCALING.growAfterMs + 1 }), 'stay');
  });

  it('not while a worker could take the request', () => {
    assert.equal(decideScaling({ ...busy, parkedWorkers: 1 }), 'stay');
  });

  it('not past its limit', () => {
    assert.equal(decideScaling({ ...busy, threadsMax: 2 }), 'stay');
  });

  it('not while another worker is being bound', () => {
    assert.equal(decideScaling({ ...busy, bindingWorkers: 1 }), 'stay');
  });
});

describe('a pool shrinks', () => {
  it('when some worker had nothing to do for long', () => {
    assert.equal(decideScaling(idle), 'shrink');
  });

  it('not before', () => {
    assert.equal(decideScaling({ ...idle, allBusyAtMs: NOW_MS - SCALING.shrinkAfterMs + 1 }), 'stay');
  });

  it('not to nothing', () => {
    assert.equal(decideScaling({ ...idle, workers: 1 }), 'stay');
  });
});

it('the request ring has room for as many workers as a pool may have', () => {
  assert.ok(WORKERS_MAX >= POOL_THREADS_MAX);
});
