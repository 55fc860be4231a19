import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import {
  ANNEXES,
  ANNEX_BYTES,
  DOORBELL_BYTES,
  OWNER,
  SLOTS,
  SLOT_BYTES,
  WORKER_STATE,
} from '../../src/protocol/ring.ts';
import { RequestRing, standaloneFrame } from '../../src/pool/ring/request-ring.ts';
import { RequestSource } from '../../workers/request-source.ts';
import { partsOf } from './harness.ts';

const DEADLINE_MS = 12_345.5;

function ringWithSources(count = 1) {
  const ring = new RequestRing();
  const sources = Array.from({ length: count }, (_, index) => {
    ring.openWorker(index);
    return new RequestSource(ring.memory, index, new SharedArrayBuffer(DOORBELL_BYTES));
  });
  const [first] = sources;
  assert.ok(first);
  return { ring, source: first, sources };
}

describe('a request ring', () => {
  it('hands requests out in the order they came, each once', () => {
    const { ring, sources } = ringWithSources(2);
    const slots = [1, 2, 3].map(number => ring.post(partsOf(''), number, DEADLINE_MS));
    const claimed = [0, 1, 0].map(index => sources[index]?.claim());
    assert.deepEqual(claimed, slots);
    assert.deepEqual(
      sources.map(source => source.claim()),
      [-1, -1],
    );
    assert.deepEqual(
      slots.map(slot => ring.ownerOf(slot)),
      [1, 2, 1],
    );
  });

  it('carries the frame as it would stand alone', () => {
    const { ring, source } = ringWithSources();
    const parts = partsOf('a=b', { body: Buffer.from('a body') });
    const slot = ring.post(parts, 7, DEADLINE_MS);
    assert.equal(source.claim(), slot);
    const bytes = source.frameBytes(slot);
    assert.ok(bytes !== null);
    const expected = Buffer.from(standaloneFrame(parts, 7, DEADLINE_MS));
    assert.deepEqual(Buffer.from(source.frame(slot).subarray(0, bytes)), expected);
  });

  it('carries a frame larger than a slot in an annex, as long as there is one', () => {
    const { ring, source } = ringWithSources();
    const parts = partsOf('', { body: Buffer.from('0123456789abcdef'.repeat(SLOT_BYTES / 8)) });
    const isWhole = (slot: number, number: number): boolean => {
      assert.equal(source.claim(), slot);
      const bytes = source.frameBytes(slot);
      const expected = Buffer.from(standaloneFrame(parts, number, DEADLINE_MS));
      return bytes !== null && source.frame(slot).subarray(0, bytes).equals(expected);
    };
    const post = (number: number): number => ring.post(parts, number, DEADLINE_MS);
    const slots = Array.from({ length: ANNEXES }, (_, number) => post(number));
    const [oneTooMany, small] = [post(ANNEXES), ring.post(partsOf(''), 99, DEADLINE_MS)];
    for (const [number, slot] of slots.entries()) assert.ok(isWhole(slot, number), `frame ${number}`);
    assert.equal(source.claim(), oneTooMany);
    assert.equal(source.frameBytes(oneTooMany), null, 'a ticket');
    assert.equal(source.claim(), small);
    assert.equal(source.frame(small).readUInt32LE(8), 99);
    ring.release(slots[5] ?? -1);
    const again = post(100);
    ring.setDeadline(again, 77);
    assert.equal(source.frame(again).readDoubleLE(0), 77);
    ring.setDeadline(again, DEADLINE_MS);
    assert.ok(isWhole(again, 100));
    for (const slot of [oneTooMany, small, again]) ring.release(slot);
  });

  it('holds a ticket with deadline and number in place of a frame that is too large', () => {
    const { ring, source } = ringWithSources();
    const slot = ring.post(partsOf('', { body: Buffer.alloc(ANNEX_BYTES) }), 9, DEADLINE_MS);
    assert.equal(source.claim(), slot);
    assert.equal(source.frameBytes(slot), null);
    assert.equal(source.frame(slot).readDoubleLE(0), DEADLINE_MS);
    assert.equal(source.frame(slot).readUInt32LE(8), 9);
  });

  it('has room for as many requests as slots, and again for each that was released', () => {
    const { ring, source } = ringWithSources();
    for (let number = 0; number < SLOTS; number++) ring.post(partsOf(''), number, DEADLINE_MS);
    assert.equal(ring.hasRoom, false);
    const slot = source.claim();
    assert.equal(ring.hasRoom, false);
    ring.release(slot);
    assert.equal(ring.hasRoom, true);
  });

  it('has no room while all its positions are ahead of the workers, revoked ones too', () => {
    const { ring, source } = ringWithSources();
    for (let number = 0; number < SLOTS; number++) {
      const slot = ring.post(partsOf(''), number, DEADLINE_MS);
      assert.equal(ring.revoke(slot), true);
      ring.release(slot);
    }
    assert.equal(ring.hasRoom, false);
    assert.equal(source.claim(), -1);
    assert.equal(ring.hasRoom, true);
  });

  it('counts on past the largest position', () => {
    const { ring, source } = ringWithSources();
    for (let number = 0; number < 5 * SLOTS; number++) {
      const slot = ring.post(partsOf(''), number, DEADLINE_MS);
      assert.equal(source.claim(), slot);
      assert.equal(source.frame(slot).readUInt32LE(8), number);
      ring.release(slot);
    }
    assert.equal(ring.unclaimed, 0);
  });
});

describe('revoking', () => {
  it('takes back a request that waits, and no worker gets it', () => {
    const { ring, source } = ringWithSources();
    const slot = ring.post(partsOf(''), 1, DEADLINE_MS);
    assert.equal(ring.ownerOf(slot), OWNER.waiting);
    assert.equal(ring.revoke(slot), true);
    assert.equal(ring.ownerOf(slot), OWNER.nobody);
    assert.equal(source.claim(), -1);
  });

  it('does not take back a request that a worker has claimed', () => {
    const { ring, source } = ringWithSources();
    const slot = ring.post(partsOf(''), 1, DEADLINE_MS);
    source.claim();
    assert.equal(ring.revoke(slot), false);
    assert.equal(ring.ownerOf(slot), 1);
  });

  it('does not take a request back twice', () => {
    const { ring } = ringWithSources();
    const slot = ring.post(partsOf(''), 1, DEADLINE_MS);
    assert.equal(ring.revoke(slot), true);
    assert.equal(ring.revoke(slot), false);
  });

  it('does not touch the next request in the same slot', () => {
    const { ring, source } = ringWithSources();
    const slot = ring.post(partsOf(''), 1, DEADLINE_MS);
    ring.revoke(slot);
    ring.release(slot);
    assert.equal(ring.post(partsOf(''), 2, DEADLINE_MS), slot);
    assert.equal(source.claim(), slot);
    assert.equal(source.frame(slot).readUInt32LE(8), 2);
    assert.equal(source.claim(), -1);
  });
});

describe('waking', () => {
  it('wakes only a worker that is parked', () => {
    const { ring } = ringWithSources();
    assert.equal(ring.state(0), WORKER_STATE.running);
    assert.equal(ring.wake(0), false);
    ring.closeWorker(0);
    assert.equal(ring.wake(0), false);
  });

  it('does not let a worker sleep over a request or a control message', () => {
    const { ring, source } = ringWithSources();
    ring.post(partsOf(''), 1, DEADLINE_MS);
    source.block(true);
    assert.equal(ring.state(0), WORKER_STATE.running);
    ring.signalControl(0);
    source.block(false);
    assert.equal(source.takeControlSignal(), true);
    assert.equal(source.takeControlSignal(), false);
  });
});
