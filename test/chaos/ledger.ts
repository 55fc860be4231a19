/** Every request that was sent, and what became of it; what has ended is judged and forgotten. */
import { LOSS_NEWS_MS, type History } from './history.ts';
import { endOf, judge, type Answer, type Executed, type Expected, type RequestRecord } from './rules.ts';

export interface Violation {
  readonly record: RequestRecord;
  readonly wrong: string;
  /** Requests of the same endpoint that were judged shortly before. */
  readonly before: readonly RequestRecord[];
}

/** Requests per endpoint that a violation shows beside its own. */
const SHOWN = 8;
/** What happened that often is shown no more. */
const VIOLATIONS_KEPT = 50;

const EXECUTED_CODES: readonly Executed[] = ['perhaps', 'never', 'once'];

export interface LedgerFigures {
  readonly requests: number;
  readonly lost: number;
  readonly abandoned: number;
  /** Answers by endpoint and status. */
  readonly answers: ReadonlyMap<string, number>;
}

export class Ledger {
  readonly violations: Violation[] = [];
  violationsTotal = 0;
  readonly #history: History;
  readonly #run: string;
  /** Sent, and not judged yet. */
  readonly #open = new Set<RequestRecord>();
  readonly #recent = new Map<string, RequestRecord[]>();
  readonly #answers = new Map<string, number>();
  /** By token: how often a handler may have run for it, as an index of EXECUTED_CODES. */
  #executed = new Uint8Array(1 << 16);
  #requests = 0;
  #lost = 0;
  #abandoned = 0;

  /** `run` distinguishes the request ids of this run from any other's. */
  constructor(history: History, run: string) {
    this.#history = history;
    this.#run = run;
  }

  get figures(): LedgerFigures {
    return { requests: this.#requests, lost: this.#lost, abandoned: this.#abandoned, answers: this.#answers };
  }

  /** Requests that have no end yet. */
  get unanswered(): number {
    return [...this.#open].filter(record => !hasEnded(record)).length;
  }

  /** A request that is sent now. */
  sent(endpoint: string, operation: string, expected: Expected): RequestRecord {
    const token = this.#requests;
    this.#requests += 1;
    const record: RequestRecord = {
      token,
      requestId: `${this.#run}-${token}`,
      endpoint,
      operation,
      expected,
      sentAt: this.#history.now(),
      connection: null,
      answers: [],
      lost: null,
      abandoned: false,
    };
    this.#open.add(record);
    return record;
  }

  /** Also for a second answer, whenever it comes. */
  answered(record: RequestRecord, answer: Omit<Answer, 'at'>): void {
    record.answers.push({ ...answer, at: this.#history.now() });
    if (!this.#open.has(record)) this.#violate(record, `answered ${record.answers.length} times`);
  }

  lost(record: RequestRecord, reason: string): void {
    record.lost ??= { at: this.#history.now(), reason };
  }

  /** Judges what has ended, unless its verdict depends on something that is under way. */
  judgeEnded(): void {
    for (const record of this.#open) {
      if (hasEnded(record) && !this.#mustWait(record)) this.#judge(record);
    }
  }

  /** What the verdict depends on is not known yet. */
  #mustWait(record: RequestRecord): boolean {
    if (record.lost !== null && this.#history.now() < record.lost.at + LOSS_NEWS_MS) return true;
    return this.#history.openAt(record.endpoint, endOf(record));
  }

  /** Judges everything: what has not ended never will. */
  close(): void {
    for (const record of this.#open) this.#judge(record);
  }

  /** @returns what is wrong with how often handlers ran, by what they have noted down themselves. */
  checkExecutions(noted: Iterable<string>): string[] {
    const wrong: string[] = [];
    const seen = new Uint8Array(this.#requests);
    for (const requestId of noted) {
      const token = requestId.startsWith(`${this.#run}-`) ? Number(requestId.slice(this.#run.length + 1)) : Number.NaN;
      const times = seen[token];
      if (times === undefined) wrong.push(`a handler ran for ${requestId}, which nobody sent`);
      else if (times > 0) wrong.push(`a handler ran twice for ${requestId}`);
      else if (EXECUTED_CODES[this.#executed[token] ?? 0] === 'never')
        wrong.push(`a handler ran for ${requestId}, which was refused`);
      seen[token] = 1;
    }
    for (const [token, times] of seen.entries()) {
      const executed = EXECUTED_CODES[this.#executed[token] ?? 0];
      if (times === 0 && executed === 'once')
        wrong.push(`no handler ran for ${this.#run}-${token}, which was answered`);
    }
    return wrong;
  }

  #judge(record: RequestRecord): void {
    this.#open.delete(record);
    const { wrong, executed } = judge(record, this.#history);
    this.#note(record, executed);
    if (wrong !== null) this.#violate(record, wrong);
    const recent = this.#recent.get(record.endpoint) ?? [];
    recent.push(record);
    if (recent.length > SHOWN) recent.shift();
    this.#recent.set(record.endpoint, recent);
  }

  #note(record: RequestRecord, executed: Executed): void {
    while (record.token >= this.#executed.length) {
      const grown = new Uint8Array(this.#executed.length * 2);
      grown.set(this.#executed);
      this.#executed = grown;
    }
    this.#executed[record.token] = EXECUTED_CODES.indexOf(unrecorded(record) ? 'perhaps' : executed);
    const [answer] = record.answers;
    if (answer !== undefined) {
      const key = `${record.endpoint} ${answer.status}`;
      this.#answers.set(key, (this.#answers.get(key) ?? 0) + 1);
    } else if (record.abandoned) this.#abandoned += 1;
    else this.#lost += 1;
  }

  #violate(record: RequestRecord, wrong: string): void {
    this.violationsTotal += 1;
    if (this.violations.length >= VIOLATIONS_KEPT) return;
    this.violations.push({ record, wrong, before: [...(this.#recent.get(record.endpoint) ?? [])] });
  }
}

const hasEnded = (record: RequestRecord): boolean =>
  record.answers.length > 0 || record.lost !== null || record.abandoned;

/** The handler could not note down that it ran, and said so. */
const unrecorded = ({ answers }: RequestRecord): boolean => answers[0]?.body.includes('"recorded":false') ?? false;
