/** One kept connection that asks the same path again and again: as little client as possible beside what is measured. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface Answer {
  /** 0: none came. */
  readonly status: number;
  readonly body: string;
}

const NONE: Answer = { status: 0, body: '' };

/** Connects anew when the server has closed the connection; a request that meets the closing gets no answer. */
export class BenchConnection {
  readonly #url: URL;
  readonly #request: Buffer;
  #socket: Socket | null = null;
  #received = '';
  #settle: ((answer: Answer) => void) | null = null;

  constructor(url: string) {
    this.#url = new URL(url);
    const { pathname, search, host } = this.#url;
    const head = `GET ${pathname}${search} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: bench/1.0\r\nAccept: */*\r\n\r\n`;
    this.#request = Buffer.from(head);
  }

  /** Sends one request. One at a time. */
  async ask(): Promise<Answer> {
    const socket = this.#socket ?? (await this.#open());
    if (socket === null) return NONE;
    const { promise, resolve } = Promise.withResolvers<Answer>();
    this.#settle = resolve;
    socket.write(this.#request);
    return promise;
  }

  close(): void {
    this.#socket?.destroy();
  }

  async #open(): Promise<Socket | null> {
    const socket = connect(Number(this.#url.port), this.#url.hostname);
    try {
      await once(socket, 'connect');
    } catch {
      return null;
    }
    socket.setNoDelay(true);
    socket.on('data', (chunk: Buffer) => this.#onData(chunk));
    // What follows an error is the close.
    socket.on('error', () => {});
    socket.on('close', () => this.#onClose(socket));
    this.#received = '';
    this.#socket = socket;
    return socket;
  }

  #onClose(socket: Socket): void {
    if (this.#socket !== socket) return;
    this.#socket = null;
    this.#answer(NONE);
  }

  #onData(chunk: Buffer): void {
    this.#received += chunk.latin1Slice();
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd === -1) return;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    const answer = { status: Number(head.slice(9, 12)), body: this.#received.slice(headEnd + 4) };
    this.#received = '';
    if (/\r\nconnection: close/i.test(head)) {
      this.#socket?.destroy();
      this.#socket = null;
    }
    this.#answer(answer);
  }

  #answer(answer: Answer): void {
    const settle = this.#settle;
    this.#settle = null;
    settle?.(answer);
  }
}
