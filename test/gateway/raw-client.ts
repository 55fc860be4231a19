import { once } from 'node:events';
import { connect, type Socket } from 'node:net';

export interface RawResponse {
  readonly status: number;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** A client that sends bytes as they are, well-formed or not, and reads responses one by one. */
export class RawClient {
  readonly socket: Socket;
  #received = Buffer.alloc(0);
  #wake: () => void = () => undefined;
  ended = false;
  reset = false;

  private constructor(socket: Socket) {
    this.socket = socket;
    socket.on('data', (chunk: Buffer) => {
      this.#received = Buffer.concat([this.#received, chunk]);
      this.#wake();
    });
    const finish = (): void => {
      this.ended = true;
      this.#wake();
    };
    socket.on('end', finish);
    socket.on('close', finish);
    socket.on('error', () => {
      this.reset = true;
    });
  }

  static async connect(port: number): Promise<RawClient> {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    await once(socket, 'connect');
    return new RawClient(socket);
  }

  send(data: string | Buffer): void {
    this.socket.write(data, 'latin1');
  }

  get(path: string, headers = ''): void {
    this.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`);
  }

  /** The next response; `forHead`: it has no body whatever its content-length says. */
  async response(options: { readonly forHead?: boolean } = {}): Promise<RawResponse> {
    const headEnd = await this.#until(() => this.#received.indexOf('\r\n\r\n'));
    const [statusLine = '', ...lines] = this.#received.latin1Slice(0, headEnd).split('\r\n');
    const headers = new Map(lines.map(line => splitHeader(line)));
    const length = options.forHead === true ? 0 : Number(headers.get('content-length') ?? 0);
    const bodyStart = headEnd + 4;
    await this.#until(() => (this.#received.length >= bodyStart + length ? 0 : -1));
    const body = this.#received.toString('utf8', bodyStart, bodyStart + length);
    this.#received = this.#received.subarray(bodyStart + length);
    return { status: Number(statusLine.split(' ')[1]), headers, body };
  }

  /** Resolves when the server has closed its side. */
  async closed(): Promise<void> {
    await this.#until(() => (this.ended ? 0 : -1));
  }

  async #until(position: () => number): Promise<number> {
    for (;;) {
      const found = position();
      if (found >= 0) return found;
      if (this.ended) throw new Error(`connection closed after ${JSON.stringify(this.#received.latin1Slice())}`);
      await new Promise<void>(resolve => {
        this.#wake = resolve;
      });
    }
  }

  [Symbol.dispose](): void {
    this.socket.destroy();
  }
}

function splitHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(':');
  return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
}
