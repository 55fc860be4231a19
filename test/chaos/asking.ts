/** Requests as clients send them, each entered in the ledger before its first byte leaves. */
import { PUBLIC_ERRORS } from '../../src/errors.ts';
import type { Misdeed } from '../support/misdeeds.ts';
import { ClientConnection, ConnectionLost, type Received } from './connection.ts';
import { digest } from './handlers.ts';
import type { History } from './history.ts';
import type { Ledger } from './ledger.ts';
import type { Expected, RequestRecord } from './rules.ts';

export interface Question {
  readonly endpoint: string;
  readonly operation: string;
  readonly path: string;
  readonly body?: Buffer;
  readonly expected: Expected;
}

/** Asks an endpoint who it is; `waitMs`: after so long, suspended. */
export function witnessQuestion(endpoint: string, waitMs = 0): Question {
  const query = waitMs === 0 ? '?op=witness' : `?op=witness&ms=${waitMs}`;
  const expected = { kind: 'witness', waitMs } as const;
  return { endpoint, operation: `witness ${waitMs} ms`, path: `/${endpoint}${query}`, expected };
}

export interface KnownBody {
  readonly bytes: Buffer;
  readonly digest: string;
}

export const knownBody = (bytes: Buffer): KnownBody => ({ bytes, digest: digest(bytes) });

export const echoQuestion = (endpoint: string, body: KnownBody): Question => ({
  endpoint,
  operation: `echo ${body.bytes.length}`,
  path: `/${endpoint}?op=witness`,
  body: body.bytes,
  expected: { kind: 'echo', digest: body.digest },
});

export const faultQuestion = (endpoint: string, { op, n = 0, code }: Misdeed): Question => ({
  endpoint,
  operation: op,
  path: `/${endpoint}?op=${op}&n=${n}`,
  expected: { kind: 'fault', code, suspends: op.endsWith('_later') },
});

export function headOf({ path, body }: Question, requestId: string): string {
  const length = body === undefined ? '' : `Content-Length: ${body.length}\r\n`;
  const method = body === undefined ? 'GET' : 'POST';
  return `${method} ${path} HTTP/1.1\r\nHost: chaos\r\nX-Request-Id: ${requestId}\r\n${length}\r\n`;
}

/** A request that has no end after so long never will; on a busy machine it may wait until a process has started. */
const OVERDUE_MS = 180_000;

/** Whoever sends requests to the gateway: knows its port, and enters everything in the ledger. */
export class Asking {
  readonly #port: number;
  readonly #ledger: Ledger;
  readonly #history: History;

  constructor(port: number, ledger: Ledger, history: History) {
    this.#port = port;
    this.#ledger = ledger;
    this.#history = history;
  }

  connect(): ClientConnection {
    return new ClientConnection(this.#port);
  }

  /** Enters a request that the caller sends by itself. */
  enter({ endpoint, operation, expected }: Question): RequestRecord {
    return this.#ledger.sent(endpoint, operation, expected);
  }

  /** Sends a request on a connection of its own, or on the given one, and waits for its end. Never rejects. */
  async ask(question: Question, given?: ClientConnection): Promise<RequestRecord> {
    const record = this.enter(question);
    const { expected, endpoint } = question;
    const span = expected.kind === 'fault' ? this.#history.fault(endpoint, expected.code) : null;
    const connection = given ?? this.connect();
    const head = headOf(question, record.requestId);
    const { body } = question;
    const bytes = body === undefined ? head : Buffer.concat([Buffer.from(head), body]);
    await this.settle(record, connection, surplus => connection.exchange(bytes, surplus));
    if (given === undefined) connection.close();
    if (span !== null) span.until = this.#history.now();
    return record;
  }

  /** Waits for the end of an entered request and writes it down. Never rejects. */
  async settle(
    record: RequestRecord,
    connection: ClientConnection,
    exchange: (onSurplus: (received: Received) => void) => Promise<Received>,
  ): Promise<void> {
    const overdue = setTimeout(() => connection.close(), OVERDUE_MS);
    const note = ({ status, requestId, body }: Received): void =>
      this.#ledger.answered(record, { status, requestId, body });
    try {
      const received = await exchange(note);
      record.connection = connection;
      note(received);
      if (received.closes) connection.close();
    } catch (error) {
      if (!(error instanceof ConnectionLost)) throw error;
      record.connection = connection;
      this.#ledger.lost(record, error.message);
    } finally {
      clearTimeout(overdue);
    }
  }
}

/** Whether the record ended as its sender would like best. */
export const wasServed = ({ answers }: RequestRecord): boolean => answers[0]?.status === 200;

/** The error code a request was answered with; null: with no error. */
export function codeOf({ answers }: RequestRecord): string | null {
  const [answer] = answers;
  if (answer === undefined || answer.status === 200) return null;
  return Object.keys(PUBLIC_ERRORS).find(code => answer.body.includes(`"code":"${code}"`)) ?? null;
}
