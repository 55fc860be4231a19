import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { HandlerPool } from '../../src/pool/handler-pool.ts';
import { eventually } from '../support/eventually.ts';
import { collectGarbage } from '../support/garbage.ts';
import { handlerLibrary } from '../support/handlers.ts';
import { RecordedEvents } from '../support/pool-events.ts';
import { LIMITS_FOR_TESTS } from './harness.ts';
import { ringPools } from './ring-pools.ts';

const HOUR_MS = 3_600_000;
const { factory } = await ringPools();

async function retiredTwice(): Promise<WeakRef<HandlerPool>> {
  const artifactPath = await handlerLibrary('kit');
  const events = new RecordedEvents();
  const pool = factory.create({
    endpoint: 'kit',
    generation: 1,
    ahead: false,
    artifactPath,
    limits: LIMITS_FOR_TESTS,
    events,
  });
  assert.equal(await pool.bind(1), null);
  const retirements = [pool.retire(HOUR_MS), pool.retire(HOUR_MS)];
  for (const { outcome } of await Promise.all(retirements)) assert.equal(outcome, 'drained');
  return new WeakRef(pool);
}

test('a pool that has drained is gone from memory, however long it might have drained', async () => {
  const pool = await retiredTwice();
  await eventually('it is collected', () => {
    collectGarbage();
    return pool.deref() === undefined;
  });
});
