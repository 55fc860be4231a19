/** A minute of `npm run chaos`; CHAOS_SEED and CHAOS_SECONDS set what happens and how long. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ACTION_KINDS } from './plan.ts';
import { randomSeed } from './random.ts';
import { findings, isClean, summary } from './report.ts';
import { CHAOS_DEFAULTS, runChaos } from './runner.ts';

/** A run has to come to an end, also when nothing of the gateway comes back: so long after its time. */
const OVERTIME_MS = 600_000;
/** Shorter runs have no room for every kind of injection. */
const ALL_KINDS_SECONDS = 60;

function fromEnvironment(name: string, fallback: number): number {
  const value = Number(process.env[name] || fallback);
  assert.ok(Number.isSafeInteger(value) && value >= 0, `${name} is a whole number`);
  return value;
}

const seed = fromEnvironment('CHAOS_SEED', randomSeed());
const seconds = fromEnvironment('CHAOS_SECONDS', CHAOS_DEFAULTS.seconds);

test(
  'whatever is broken under load, every request ends as it should',
  { timeout: seconds * 1_000 + OVERTIME_MS },
  async context => {
    const tell = (line: string): void => context.diagnostic(line);
    tell(`CHAOS_SEED=${seed} CHAOS_SECONDS=${seconds}`);
    const outcome = await runChaos({ ...CHAOS_DEFAULTS, seed, seconds, tell });
    tell(summary(outcome));
    assert.ok(isClean(outcome), findings(outcome));
    assert.ok(outcome.figures.requests > 0);
    if (seconds >= ALL_KINDS_SECONDS) assert.deepEqual(new Set(outcome.injections.keys()), new Set(ACTION_KINDS));
  },
);
