/** Which calls are taken for ones that nothing can end; how one is noticed on a real thread is in containment.test.ts. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { MainGuard } from '../../src/pool/guard.ts';
import { StuckCalls } from '../../src/pool/stuck-calls.ts';
import type { WorkerLink } from '../../src/pool/worker-link.ts';

/** One worker whose calls have a limit of five seconds; looks are taken every two. */
function watched() {
  const state = { call: 1n, limitMs: 5_000, stuck: 0 };
  const guard = { running: (slot: number) => (slot === 3 ? state.call : 0n) } as MainGuard;
  const workers = [{ slot: 3 }, { slot: null }] as unknown as WorkerLink[];
  const calls = new StuckCalls({
    guard,
    workers,
    limitMs: () => state.limitMs,
    onStuck: () => void (state.stuck += 1),
  });
  const looks = (count: number): number => {
    for (let look = 0; look < count; look += 1) calls.look();
    return state.stuck;
  };
  return { state, calls, looks, [Symbol.dispose]: () => calls.close() };
}

describe('stuck calls', () => {
  it('are those seen for longer than their limit and a grace of five seconds', () => {
    using test = watched();
    assert.equal(test.looks(6), 0, 'ten seconds');
    assert.equal(test.looks(1), 1, 'twelve');
  });

  it('are not several calls, nor one with a pause', () => {
    using test = watched();
    for (const call of [2n, 3n, 0n, 3n]) {
      test.state.call = call;
      assert.equal(test.looks(6), 0);
    }
  });

  it('are looked at anew when the limit changes: what runs has the one it began with', () => {
    using test = watched();
    test.state.limitMs = 60_000;
    assert.equal(test.looks(20), 0);
    test.state.limitMs = 1_000;
    test.calls.limitChanged();
    assert.equal(test.looks(4), 0);
    assert.equal(test.looks(1), 1);
  });
});
