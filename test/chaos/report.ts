/** What a chaos run has to say: its figures, and of everything that went wrong the request, what was done then, and the log. */
import type { ActionKind } from './plan.ts';
import type { RequestRecord } from './rules.ts';
import type { ChaosOutcome, Finding } from './runner.ts';

/** Injections shown around a violation, and log lines at the end. */
const INJECTIONS_SHOWN = 15;
const LOG_LINES_SHOWN = 40;
const LOG_LINE_CHARACTERS = 300;
const VIOLATIONS_SHOWN = 5;

export const isClean = ({ violationsTotal, problems }: ChaosOutcome): boolean =>
  violationsTotal === 0 && problems.length === 0;

export function summary(outcome: ChaosOutcome): string {
  const { options, figures, injections, swaps, counts, executions } = outcome;
  const kinds = [...injections].map(([kind, count]) => `${kind} ${count}`).toSorted();
  const injected = [...injections.values()].reduce((sum, count) => sum + count, 0);
  const answers = [...figures.answers].toSorted().map(([key, count]) => `  ${key}: ${count}`);
  return [
    `seed ${options.seed}: ${figures.requests} requests, ${injected} injections, ${swaps} swaps, ` +
      `${executions} executions noted, ${figures.lost} requests lost with their connections, ${figures.abandoned} abandoned`,
    `injections: ${kinds.join(', ')}`,
    ...[...counts].toSorted().map(([what, count]) => `${what}: ${count}`),
    'answers:',
    ...answers,
    ...describeMemory(outcome),
    `${outcome.violationsTotal} violations, ${outcome.problems.length} other problems`,
  ].join('\n');
}

/** In the middle of the run and at its end: what grows shows in the difference. */
function describeMemory({ memory }: ChaosOutcome): string[] {
  const [half, last] = [memory[Math.floor(memory.length / 2)], memory.at(-1)];
  if (half === undefined || last === undefined) return [];
  return [
    `memory at half time and at the end: supervisor ${half.supervisorMb} and ${last.supervisorMb} MB, ` +
      `this program ${half.suiteMb} and ${last.suiteMb} MB`,
  ];
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

/** Faults and the like come many times a second: of those, only what was aimed at the same endpoint. */
const FREQUENT = new Set<ActionKind>(['fault', 'endless', 'denied', 'malformed', 'client']);

/** The last ones before the request was sent, and the first ones after: it may have waited for long. */
function describeInjections({ record, around }: Finding): string[] {
  const telling = around.filter(({ injection }) => {
    const endpoint = 'endpoint' in injection ? injection.endpoint : null;
    return !FREQUENT.has(injection.kind) || endpoint === record.endpoint;
  });
  const before = telling.filter(({ begunAt }) => begunAt <= record.sentAt);
  const after = telling.filter(({ begunAt }) => begunAt > record.sentAt);
  return [...before.slice(-INJECTIONS_SHOWN), ...after.slice(0, INJECTIONS_SHOWN)].map(
    ({ injection, begunAt, endedAt }) => {
      const end = endedAt === null ? '…' : time(endedAt);
      return `    ${time(begunAt)} – ${end} ${JSON.stringify(injection)}`;
    },
  );
}

function describeFinding(finding: Finding): string {
  const { record, wrong, before } = finding;
  return [
    `${record.requestId} ${wrong}`,
    `  ${describeRequest(record)}`,
    '  requests of the endpoint before it:',
    ...before.map(other => `    ${describeRequest(other)}`),
    '  what was done around it:',
    ...describeInjections(finding),
  ].join('\n');
}

/** How often what went wrong, among the violations that were kept. */
function histogram(all: readonly Finding[]): string[] {
  const kinds = Map.groupBy(all, ({ record, wrong }) => `${record.endpoint} ${wrong.slice(0, 100)}`);
  return [...kinds].map(([kind, same]) => `${same.length} × ${kind}`);
}

/** The command that carries out the same plan. */
export function repetition({ options }: ChaosOutcome): string {
  const { seed, seconds, kinds, clients, processes } = options;
  const only = kinds === undefined ? '' : ` --kinds ${kinds.join(',')}`;
  return `npm run chaos -- --seed ${seed} --seconds ${seconds} --clients ${clients} --processes ${processes}${only}`;
}

/** Everything a reader needs to look into what went wrong. */
export function findings(outcome: ChaosOutcome): string {
  return [
    `repeat it with: ${repetition(outcome)}`,
    ...histogram(outcome.findings),
    ...outcome.findings.slice(0, VIOLATIONS_SHOWN).map(describeFinding),
    ...outcome.problems.map(({ at, what }) => `${time(at)} ${what}`),
    'last lines of the log:',
    ...outcome.lastLines.slice(-LOG_LINES_SHOWN).map(line => `  ${JSON.stringify(line).slice(0, LOG_LINE_CHARACTERS)}`),
  ].join('\n');
}
