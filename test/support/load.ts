/** Clients that ask one path again and again, and a ledger of every request they made. */
import { Agent, request } from 'node:http';
import { setTimeout as pause } from 'node:timers/promises';

export interface LedgerEntry {
  /** The newest generation a finished deploy had announced when the request was sent. */
  readonly newestAtStart: number;
  /** null: no response came; then `error` says why. */
  readonly status: number | null;
  readonly body: string;
  readonly error: string | null;
  readonly durationMs: number;
}

export interface LoadOptions {
  readonly url: string;
  /** Clients that keep their connection, and clients that open a new one for each request. */
  readonly keepAlive: number;
  readonly reconnecting: number;
  /** Pause of a client between two requests; default: none. */
  readonly pauseMs?: number;
  /** Called for every request as it is sent. */
  readonly newest?: () => number;
  /** Called for every response; an entry is kept only when it gives true. Default: all are kept. */
  readonly keep?: (entry: LedgerEntry) => boolean;
}

export interface Load {
  /** Requests that have been answered (or have failed) so far. */
  readonly finished: () => number;
  /** Lets every client finish the request it has under way, and gives the ledger. */
  stop(): Promise<readonly LedgerEntry[]>;
}

interface Answer {
  readonly status: number | null;
  readonly body: string;
  readonly error: string | null;
}

/** One GET that never rejects. */
export function get(url: string, agent: Agent): Promise<Answer> {
  return new Promise(resolve => {
    const fail = (error: Error): void => resolve({ status: null, body: '', error: error.message });
    const sent = request(url, { agent }, response => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', fail);
      response.on('end', () => {
        resolve({ status: response.statusCode ?? null, body: Buffer.concat(chunks).toString(), error: null });
      });
    });
    sent.on('error', fail);
    sent.end();
  });
}

export function startLoad(options: LoadOptions): Load {
  const ledger: LedgerEntry[] = [];
  const stop = new AbortController();
  let finished = 0;

  async function client(keepAlive: boolean): Promise<void> {
    const agent = new Agent({ keepAlive, maxSockets: 1 });
    while (!stop.signal.aborted) {
      const newestAtStart = options.newest?.() ?? 0;
      const start = performance.now();
      const answer = await get(options.url, agent);
      const entry = { newestAtStart, ...answer, durationMs: performance.now() - start };
      finished += 1;
      if (options.keep?.(entry) ?? true) ledger.push(entry);
      if (options.pauseMs !== undefined) await pause(options.pauseMs);
    }
    agent.destroy();
  }

  const clients = [
    ...Array.from({ length: options.keepAlive }, () => client(true)),
    ...Array.from({ length: options.reconnecting }, () => client(false)),
  ];
  return {
    finished: () => finished,
    async stop() {
      stop.abort();
      await Promise.all(clients);
      return ledger;
    },
  };
}
