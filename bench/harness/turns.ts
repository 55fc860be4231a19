/** Rounds: in each, every contestant is started afresh, measured and ended, in turns, so that noise meets all. */
import type { Contestant } from '../contestants/contestant.ts';
import type { ContestantResult } from '../report/result.ts';
import type { Amounts, Readings, Scenario } from '../scenarios/scenario.ts';

export interface TurnsOptions {
  readonly contestants: readonly Contestant[];
  readonly rounds: number;
  readonly amounts: Amounts;
  readonly progress: (text: string) => void;
}

interface Standing {
  readonly contestant: Contestant;
  readonly rounds: Readings[];
  failure?: string;
}

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));

async function attempt(standing: Standing, work: () => Promise<void>, progress: (text: string) => void): Promise<void> {
  if (standing.failure !== undefined) return;
  try {
    await work();
  } catch (error) {
    standing.failure = reasonOf(error);
    progress(`${standing.contestant.id}: ${standing.failure}`);
  }
}

function readingsText(scenario: Scenario, readings: Readings): string {
  const parts = scenario.metrics.flatMap(({ id, label, digits = 0 }) => {
    const value = readings[id];
    return value === undefined ? [] : [`${label} ${value.toFixed(digits)}`];
  });
  return parts.join(', ');
}

/** A contestant that fails is not asked again, and keeps what it has measured and the reason. */
export async function takeTurns(scenario: Scenario, options: TurnsOptions): Promise<readonly ContestantResult[]> {
  const { amounts, progress } = options;
  const rounds = Math.min(options.rounds, scenario.roundsMax ?? Number.POSITIVE_INFINITY);
  const standings: Standing[] = options.contestants.map(contestant => ({ contestant, rounds: [] }));
  for (const standing of standings) await attempt(standing, () => standing.contestant.install(), progress);
  for (let round = 0; round < rounds; round += 1) {
    for (const standing of round % 2 === 0 ? standings : standings.toReversed()) {
      await attempt(
        standing,
        async () => {
          const readings = await scenario.measure(standing.contestant, amounts);
          standing.rounds.push(readings);
          const where = `${scenario.id}, round ${round + 1} of ${rounds}, ${standing.contestant.id}`;
          progress(`${where}: ${readingsText(scenario, readings)}`);
        },
        progress,
      );
    }
  }
  return standings.map(({ contestant, rounds: measured, failure }): ContestantResult => {
    return { contestant: contestant.id, rounds: measured, ...(failure === undefined ? {} : { failure }) };
  });
}
