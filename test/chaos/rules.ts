/** What a request may end as: pure functions of what was sent, what came back and what was done to the gateway. */
import { PUBLIC_ERRORS, type PublicErrorCode } from '../../src/errors.ts';
import { SHORT_TIMEOUT_MS } from './endpoints.ts';
import type { History } from './history.ts';

/** What the client of a request has to see when nothing interferes. */
export type Expected =
  /** The text of a generation that was allowed to answer; the handler waits `waitMs` first. */
  | { readonly kind: 'witness'; readonly waitMs: number }
  /** The body that was sent, as its digest. */
  | { readonly kind: 'echo'; readonly digest: string }
  /** `suspends`: the fault comes after a wait, so the request shares its image's fate meanwhile. */
  | { readonly kind: 'fault'; readonly code: PublicErrorCode; readonly suspends: boolean }
  /** So many letters. */
  | { readonly kind: 'large'; readonly bytes: number }
  /** An operation that handlers are refused. */
  | { readonly kind: 'denied' }
  /** Not HTTP, or more than the gateway takes. */
  | { readonly kind: 'refused'; readonly statuses: readonly number[] };

export interface Answer {
  readonly at: number;
  readonly status: number;
  /** The `x-request-id` of the response. */
  readonly requestId: string;
  readonly body: string;
}

export interface RequestRecord {
  readonly token: number;
  readonly requestId: string;
  readonly endpoint: string;
  readonly operation: string;
  readonly expected: Expected;
  readonly sentAt: number;
  /** null: none came about. */
  connection: { readonly openedAt: number; readonly localPort: number } | null;
  readonly answers: Answer[];
  /** The connection ended before an answer. */
  lost: { readonly at: number; readonly reason: string } | null;
  /** The client left on purpose. */
  abandoned: boolean;
}

/** When it was answered or lost; while it is open, when it was sent. */
export const endOf = ({ answers, lost, sentAt }: RequestRecord): number => answers[0]?.at ?? lost?.at ?? sentAt;

/** Handlers that ran for this answer: exactly one, none, or at most one. */
export type Executed = 'once' | 'never' | 'perhaps';

export interface Verdict {
  /** What is wrong with the request's end; null: nothing. */
  readonly wrong: string | null;
  readonly executed: Executed;
}

/** Clocks of two processes and coarse timers: a deadline may seem to have passed a little early. */
const CLOCK_SLACK_MS = 25;

/** Codes the gateway answers with before a handler saw the request. */
const BEFORE_HANDLER = new Set<PublicErrorCode>([
  'bad_request',
  'route_not_found',
  'method_not_allowed',
  'body_too_large',
  'headers_too_large',
  'endpoint_not_loaded',
  'queue_full',
  'bodies_full',
  'shutting_down',
]);

export function judge(record: RequestRecord, history: History): Verdict {
  const [answer, second] = record.answers;
  if (second !== undefined) return { wrong: `answered ${record.answers.length} times`, executed: 'perhaps' };
  if (answer === undefined) return { wrong: wrongLoss(record, history), executed: 'perhaps' };
  return judgeAnswer(record, answer, history);
}

function wrongLoss({ lost, abandoned, connection }: RequestRecord, history: History): string | null {
  if (abandoned) return null;
  if (lost === null) return 'never answered';
  if (connection !== null && history.mayHaveLost(connection, lost.at)) return null;
  const { openedAt } = connection ?? { openedAt: lost.at };
  // Without descriptors the gateway can only close what it has to accept.
  if (history.isShort('descriptors', openedAt, lost.at)) return null;
  return `lost its connection, which no process that was ended had accepted: ${lost.reason}`;
}

function judgeAnswer(record: RequestRecord, answer: Answer, history: History): Verdict {
  const { expected, requestId } = record;
  if (expected.kind === 'refused') {
    const ok = expected.statuses.includes(answer.status);
    return { wrong: ok ? null : `was to be refused, and got ${answer.status} ${answer.body}`, executed: 'never' };
  }
  if (answer.requestId !== requestId) {
    return { wrong: `has the answer to request ${answer.requestId}`, executed: 'perhaps' };
  }
  if (answer.status === 200 && expected.kind === 'large') {
    const whole = answer.body.length === expected.bytes && /^x*$/.test(answer.body);
    return {
      wrong: whole ? null : `has ${answer.body.length} bytes instead of ${expected.bytes}`,
      executed: 'perhaps',
    };
  }
  if (endedEarly(record, answer, history)) return { wrong: null, executed: 'perhaps' };
  if (answer.status === 200) return { wrong: wrongBody(record, answer, history), executed: 'once' };
  if (answer.status === 403 && expected.kind === 'denied') {
    const said = /Operation not permitted|Bad file descriptor/.test(answer.body);
    return { wrong: said ? null : `was denied with ${answer.body}`, executed: 'perhaps' };
  }
  return judgeError(record, answer, history);
}

/** Opens files until it is refused one, and says how many: without descriptors, before it has had more than it may. */
function endedEarly({ operation, sentAt }: RequestRecord, { at, status, body }: Answer, history: History): boolean {
  return operation === 'files' && status === 200 && /^\d+$/.test(body) && history.isShort('descriptors', sentAt, at);
}

/** What a handler of the chaos suite says: its text, the request's id, and what the request asked for. */
export interface Said {
  readonly text: string;
  readonly request_id: string;
  /** Digest of the body it got; absent unless it was asked for. */
  readonly digest?: string;
  /** Whether it could note down that it ran. */
  readonly recorded: boolean;
}

function wrongBody({ expected, endpoint, requestId, sentAt }: RequestRecord, answer: Answer, history: History) {
  const said = parse<Said>(answer.body);
  if (said === null || typeof said.text !== 'string') return `has the body ${answer.body.slice(0, 200)}`;
  if (expected.kind !== 'witness' && expected.kind !== 'echo') return `was answered with 200 ${answer.body}`;
  if (said.request_id !== requestId) return `has the body of request ${said.request_id}`;
  const allowed = history.servedDuring(endpoint, sentAt, answer.at);
  if (!allowed.has(said.text)) {
    const others = [...allowed].map(text => text ?? 'nothing').join(', ');
    return `was answered by generation ${said.text}, when only ${others} could serve`;
  }
  if (expected.kind === 'echo' && said.digest !== expected.digest) return 'got another body back than it sent';
  return null;
}

function judgeError(record: RequestRecord, answer: Answer, history: History): Verdict {
  const error = parse<{ error: string; code: PublicErrorCode; request_id: string }>(answer.body);
  const entry = error === null ? undefined : PUBLIC_ERRORS[error.code];
  if (error === null || entry === undefined) {
    return { wrong: `was answered with ${answer.status} ${answer.body.slice(0, 200)}`, executed: 'perhaps' };
  }
  const executed = BEFORE_HANDLER.has(error.code) ? 'never' : 'perhaps';
  if (entry.status !== answer.status) return { wrong: `has status ${answer.status} for ${error.code}`, executed };
  if (error.request_id !== record.requestId || error.error !== entry.sentence) {
    return { wrong: `has the error body ${answer.body}`, executed };
  }
  const { expected } = record;
  if (expected.kind === 'fault' && error.code === expected.code)
    return { wrong: wrongTime(record, answer, history), executed };
  const excuse = EXCUSES[error.code];
  const excused = excuse !== undefined && excuse(record, answer, history, error.code);
  return { wrong: excused ? null : `was answered with ${error.code}`, executed };
}

/** A deadline is never cut short. */
function wrongTime({ endpoint, expected, sentAt }: RequestRecord, { at }: Answer, history: History): string | null {
  if (expected.kind !== 'fault' || expected.code !== 'handler_timeout') return null;
  const tookMs = at - sentAt;
  const timeoutMs = history.shortestTimeoutMs(endpoint, sentAt, at);
  return tookMs >= timeoutMs - CLOCK_SLACK_MS ? null : `timed out after ${tookMs.toFixed(1)} of ${timeoutMs} ms`;
}

type Excuse = (record: RequestRecord, answer: Answer, history: History, code: PublicErrorCode) => boolean;

/** Another request of the image ended it while this one was suspended there. */
const sharedFate: Excuse = ({ endpoint, expected, sentAt }, { at }, history, code) => {
  const suspends = expected.kind === 'witness' ? expected.waitMs > 0 : expected.kind === 'fault' && expected.suspends;
  return suspends && history.faultsDuring(endpoint, sentAt, at).some(fault => fault.code === code);
};

/** A short timeout may pass while a request waits: for its turn, behind one that burns, or for the machine. */
const timedOut: Excuse = (record, answer, history, code) => {
  const { endpoint, sentAt } = record;
  const timeoutMs = history.shortestTimeoutMs(endpoint, sentAt, answer.at);
  if (answer.at - sentAt < timeoutMs - CLOCK_SLACK_MS) return sharedFate(record, answer, history, code);
  return timeoutMs <= SHORT_TIMEOUT_MS;
};

/** When another answer than the expected one is right. A code without an entry never is. */
const EXCUSES: Partial<Record<PublicErrorCode, Excuse>> = {
  handler_crashed: sharedFate,
  handler_memory_exceeded: sharedFate,
  handler_timeout: timedOut,
  handler_drain_forced: ({ endpoint, sentAt }, { at }, history) => history.changedDuring(endpoint, sentAt, at),
  endpoint_not_loaded: ({ endpoint, sentAt }, { at }, history) =>
    history.servedDuring(endpoint, sentAt, at).has(null) || history.mayFailToBind(endpoint, sentAt, at),
  bodies_full: ({ expected, sentAt }, { at }, history) =>
    expected.kind === 'echo' && history.isShort('bodies', sentAt, at),
};

function parse<T extends object>(text: string): T | null {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? (value as T) : null;
  } catch {
    return null;
  }
}
