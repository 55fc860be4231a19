import { createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import type { ChildProcess } from 'node:child_process';
import { addressOf, end, spawnProgram } from '../../harness/child-server.ts';
import { buildProgram } from '../../harness/install.ts';
import { processTree } from '../../harness/processes.ts';
import { FIRST_VERSION, VERSIONS, type Contestant, type Server } from '../contestant.ts';

/** Node does not tell the descriptor of a listening socket by an official way. */
interface WithHandle {
  readonly _handle: { readonly fd: number };
}

/** axum's own supervisor: it holds the listening socket, starts the next program on it, then ends the one before. */
export class RestartedAxum implements Server {
  readonly url: string;
  readonly #descriptor: number;
  readonly #close: () => void;
  #serving: ChildProcess | null = null;
  #program: string;

  private constructor(url: string, descriptor: number, close: () => void, program: string) {
    this.url = url;
    this.#descriptor = descriptor;
    this.#close = close;
    this.#program = program;
  }

  static async start(program?: string): Promise<RestartedAxum> {
    // It never accepts: it only keeps the socket while no program has it.
    const listener = createServer({ pauseOnConnect: true });
    listener.listen(0, '127.0.0.1');
    await once(listener, 'listening');
    const { port } = listener.address() as AddressInfo;
    const { fd } = (listener as unknown as WithHandle)._handle;
    const server = new RestartedAxum(`http://127.0.0.1:${port}`, fd, () => listener.close(), program ?? '');
    server.#program = program ?? (await buildProgram('bench-axum'));
    await server.swap(FIRST_VERSION);
    return server;
  }

  pids(): readonly number[] {
    return this.#serving?.pid === undefined ? [] : processTree(this.#serving.pid);
  }

  async mainThreads(): Promise<readonly number[]> {
    return [];
  }

  /** Also with another program. The old one stops accepting when the new one is ready, and ends when all is answered. */
  async swap(version: number, program = this.#program): Promise<Readonly<Record<string, number>>> {
    this.#program = program;
    const next = spawnProgram({
      command: program,
      args: [],
      environment: { LISTEN_FDS: '1', VERSION: String(version % VERSIONS) },
      descriptors: [this.#descriptor],
    });
    await addressOf(next);
    const before = this.#serving;
    this.#serving = next;
    if (before !== null) await end(before);
    return {};
  }

  async stop(): Promise<void> {
    if (this.#serving !== null) await end(this.#serving);
    this.#close();
  }
}

export const axumRestart: Contestant = {
  id: 'axum-restart',
  title: 'axum restarted',
  setUp:
    'The axum binary behind a listening socket that outlives it (the `listenfd` crate, as axum’s examples for reloading use it) with axum’s graceful shutdown: the next process is started first, then the one before gets SIGTERM.',
  install: async () => {
    await buildProgram('bench-axum');
  },
  start: () => RestartedAxum.start(),
};
