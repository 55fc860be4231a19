/** What a chaos run has to say: its figures, and of everything that went wrong the request, what was done then, and the log. */
import type { Violation } from './ledger.ts';
import type { RequestRecord } from './rules.ts';
import type { ChaosOutcome } from './runner.ts';

/** Injections shown around a violation, and log lines at the end. */
const AROUND_MS = 300;
const INJECTIONS_SHOWN = 15;
const LOG_LINES_SHOWN = 40;
const VIOLATIONS_SHOWN = 5;

export const isClean = ({ violationsTotal, problems }: ChaosOutcome): boolean =>
  violationsTotal === 0 && problems.length === 0;

export function summary(outcome: ChaosOutcome): string {
  const { figures, injections, swaps, counts, executions } = outcome;
  const byKind = Map.groupBy(injections, ({ injection }) => injection.kind);
  const kinds = [...byKind].map(([kind, all]) => `${kind} ${all.length}`).toSorted();
  const answers = [...figures.answers].toSorted().map(([key, count]) => `  ${key}: ${count}`);
  return [
    `seed ${outcome.seed}: ${figures.requests} requests, ${injections.length} injections, ${swaps} swaps, ` +
      `${executions} executions noted, ${figures.lost} requests lost with their connections, ${figures.abandoned} abandoned`,
    `injections: ${kinds.join(', ')}`,
    ...[...counts].toSorted().map(([what, count]) => `${what}: ${count}`),
    'answers:',
    ...answers,
    `${outcome.violationsTotal} violations, ${outcome.problems.length} other problems`,
  ].join('\n');
}

const time = (at: number): string => `${(at / 1_000).toFixed(3)} s`;

function describeRequest({ requestId, endpoint, operation, sentAt, connection, answers, lost }: RequestRecord): string {
  const ends = [
    ...answers.map(({ at, status, body }) => `${time(at)} ${status} ${body.slice(0, 300)}`),
    ...(lost === null ? [] : [`${time(lost.at)} lost: ${lost.reason}`]),
  ];
  const port = connection === null ? '' : ` (port ${connection.localPort}, connected ${time(connection.openedAt)})`;
  return `${requestId} ${endpoint} ${operation} sent ${time(sentAt)}${port} → ${ends.join('; ') || 'nothing'}`;
}

function injectionsAround(outcome: ChaosOutcome, from: number, until: number): string[] {
  return outcome.injections
    .filter(({ begunAt, endedAt }) => begunAt <= until + AROUND_MS && (endedAt ?? Infinity) >= from - AROUND_MS)
    .slice(-INJECTIONS_SHOWN)
    .map(({ injection, begunAt, endedAt }) => {
      const end = endedAt === null ? '…' : time(endedAt);
      return `    ${time(begunAt)} – ${end} ${JSON.stringify(injection)}`;
    });
}

function describeViolation(outcome: ChaosOutcome, { record, wrong, before }: Violation): string {
  const until = record.answers.at(-1)?.at ?? record.lost?.at ?? record.sentAt;
  return [
    `${record.requestId} ${wrong}`,
    `  ${describeRequest(record)}`,
    '  requests of the endpoint before it:',
    ...before.map(other => `    ${describeRequest(other)}`),
    '  what was done around it:',
    ...injectionsAround(outcome, record.sentAt, until),
  ].join('\n');
}

/** How often what went wrong, among the violations that were kept. */
function histogram({ violations }: ChaosOutcome): string[] {
  const kinds = Map.groupBy(violations, ({ record, wrong }) => `${record.endpoint} ${wrong.slice(0, 100)}`);
  return [...kinds].map(([kind, all]) => `${all.length} × ${kind}`);
}

/** Everything a reader needs to look into what went wrong. */
export function findings(outcome: ChaosOutcome): string {
  return [
    `repeat it with: npm run chaos -- --seed ${outcome.seed}`,
    ...histogram(outcome),
    ...outcome.violations.slice(0, VIOLATIONS_SHOWN).map(violation => describeViolation(outcome, violation)),
    ...outcome.problems.map(({ at, what }) => `${time(at)} ${what}`),
    'last lines of the log:',
    ...outcome.lastLines.slice(-LOG_LINES_SHOWN).map(line => `  ${JSON.stringify(line)}`),
  ].join('\n');
}
