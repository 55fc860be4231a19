import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Standby } from '../../src/pool/standby.ts';
import { guardLibrary } from '../support/handlers.ts';

const settings = { guardPath: await guardLibrary(), stackBytes: 1 << 20, logLinesMax: 0 };

test('a pool that fits is taken before a larger one, and of those that fit alike the one that came back last', async () => {
  const standby = new Standby({ settings, compileCacheDir: null, poolsKept: 4, threadsPerPool: 1 });
  try {
    const [first, second, large] = [standby.take(1), standby.take(1), standby.take(1)];
    const isWarm = async (pool: typeof first, threads: number): Promise<void> => {
      const begun = new SharedArrayBuffer(4);
      await Promise.all(Array.from({ length: threads }, () => pool.run({ kind: 'warm', begun, threads })));
      assert.equal(pool.threads, threads);
    };
    await isWarm(first, 1);
    await isWarm(second, 1);
    await isWarm(large, 2);
    for (const pool of [second, large, first]) standby.release(pool);
    assert.equal(standby.take(1), first);
    assert.equal(standby.take(2), large);
    standby.release(large);
    assert.equal(standby.take(3), large, 'the largest where none has as many');
    assert.equal(standby.take(1), second);
    for (const pool of [first, second, large]) standby.release(pool);
  } finally {
    await standby.close();
  }
});
