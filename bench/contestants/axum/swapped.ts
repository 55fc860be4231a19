import type { ChildProcess } from 'node:child_process';
import { ListeningSocket } from '../../../src/supervisor/listening-socket.ts';
import { addressOf, end, spawnProgram } from '../../harness/child-server.ts';
import { buildProgram } from '../../harness/install.ts';
import { processTree } from '../../harness/processes.ts';
import { FIRST_VERSION, VERSIONS, type Contestant, type Server } from '../contestant.ts';

/** axum's own supervisor: it holds the listening socket, starts the next program on it, then ends the one before. */
export class RestartedAxum implements Server {
  readonly #socket: ListeningSocket;
  #serving: ChildProcess | null = null;
  #program: string;

  private constructor(socket: ListeningSocket, program: string) {
    this.#socket = socket;
    this.#program = program;
  }

  static async start(): Promise<RestartedAxum> {
    const program = await buildProgram('bench-axum');
    const server = new RestartedAxum(await ListeningSocket.open('127.0.0.1', 0), program);
    await server.swap(FIRST_VERSION);
    return server;
  }

  get url(): string {
    return this.#socket.url;
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
      descriptors: [this.#socket.fd],
    });
    await addressOf(next);
    const before = this.#serving;
    this.#serving = next;
    if (before !== null) await end(before);
    return {};
  }

  async stop(): Promise<void> {
    if (this.#serving !== null) await end(this.#serving);
    this.#socket.close();
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
