/** One kept connection that asks the same path again and again: as little client as possible beside what is measured. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export class BenchConnection {
  readonly #socket: Socket;
  readonly #request: Buffer;
  #received = '';
  #settle: ((status: number) => void) | null = null;

  private constructor(socket: Socket, path: string) {
    this.#socket = socket;
    this.#request = Buffer.from(`GET ${path} HTTP/1.1\r\nHost: bench\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n`);
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
  }

  static async open(url: string): Promise<BenchConnection> {
    const { hostname, port, pathname } = new URL(url);
    const socket = connect(Number(port), hostname);
    await once(socket, 'connect');
    return new BenchConnection(socket, pathname);
  }

  /** Sends one request; resolves to the status of its answer. One at a time. */
  ask(): Promise<number> {
    const answered = new Promise<number>(resolve => {
      this.#settle = resolve;
    });
    this.#socket.write(this.#request);
    return answered;
  }

  close(): void {
    this.#socket.destroy();
  }

  #onData(chunk: Buffer): void {
    this.#received += chunk.latin1Slice();
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    const status = Number(this.#received.slice(9, 12));
    this.#received = '';
    this.#settle?.(status);
  }
}
