/**
 * Measures the gateway beside others: `npm run bench -- --help`. What is measured, and how, is in README.md.
 *
 *     npm run bench
 *     npm run bench -- --scenario hello,echo-1k --contestant gateway,hono --rounds 5
 */
import { CONTESTANTS } from './contestants/index.ts';
import { endOnSignals } from './harness/alive.ts';
import { readCommand, UsageError, type BenchCommand, type BenchOptions } from './harness/options.ts';
import { takeTurns } from './harness/turns.ts';
import { markdownOf } from './report/markdown.ts';
import {
  describeMachine,
  writeResult,
  writeText,
  type BenchResult,
  type RunFacts,
  type ScenarioResult,
} from './report/result.ts';

const progress = (text: string): void => console.error(`${new Date().toISOString().slice(11, 19)} ${text}`);

function command(): BenchCommand {
  try {
    return readCommand(process.argv.slice(2));
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(error.message);
    process.exit(64);
  }
}

async function measureAll({ scenarios, contestants, rounds, amounts, out }: BenchOptions): Promise<BenchResult> {
  const results: ScenarioResult[] = [];
  const run: RunFacts = {
    measured_at: new Date().toISOString(),
    machine: describeMachine(),
    amounts: { ...amounts, rounds },
  };
  for (const scenario of scenarios) {
    const taking = scenario.contestants.filter(id => contestants.includes(id));
    if (taking.length === 0) continue;
    const participants = taking.flatMap(id => CONTESTANTS.find(contestant => contestant.id === id) ?? []);
    const measured = await takeTurns(scenario, { contestants: participants, rounds, amounts, progress });
    results.push({ scenario: scenario.id, run, contestants: measured });
    // After each, so that a run that is broken off has not been for nothing.
    writeResult(`${out}.json`, { scenarios: results });
  }
  return { scenarios: results };
}

endOnSignals();
const asked = command();
if ('print' in asked) {
  console.log(asked.print);
} else {
  const result = await measureAll(asked.options);
  const table = markdownOf(result, { raw: true });
  writeText(`${asked.options.out}.md`, `${table}\n`);
  console.log(table);
  progress(`written: ${asked.options.out}.json and .md`);
}
