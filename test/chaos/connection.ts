import { connect, type Socket } from 'node:net';

export interface Received {
  readonly status: number;
  readonly requestId: string;
  readonly body: string;
  /** The server closes the connection behind it. */
  readonly closes: boolean;
}

/** A connection that ended before the answer. */
export class ConnectionLost extends Error {
  override readonly name = 'ConnectionLost';
}

interface Waiting {
  resolve(received: Received): void;
  reject(error: ConnectionLost): void;
}

const HEAD_END = '\r\n\r\n';

/**
 * A client's connection with one request at a time, at the level of bytes: what comes unasked for is not dropped, as an
 * HTTP client would, but told.
 */
export class ClientConnection {
  readonly socket: Socket;
  readonly openedAt = performance.now();
  /** The client's port; 0 until it is connected. */
  localPort = 0;
  #chunks: Buffer[] = [];
  #receivedBytes = 0;
  #wantedBytes = HEAD_END.length;
  #waiting: Waiting | null = null;
  #onSurplus: (received: Received) => void = () => {};
  #lostReason: string | null = null;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', noDelay: true });
    this.socket.on('connect', () => {
      this.localPort = this.socket.localPort ?? 0;
    });
    this.socket.on('data', (chunk: Buffer) => this.#receive(chunk));
    this.socket.on('error', error => this.#lose(error.message));
    this.socket.on('end', () => this.#lose('the server closed the connection'));
    this.socket.on('close', () => this.#lose('the connection was closed'));
  }

  get isOpen(): boolean {
    return this.#lostReason === null;
  }

  /** Whether it is open, once what has arrived meanwhile was read: a server that has closed it may have said so. */
  async isUsable(): Promise<boolean> {
    await new Promise(resolve => void setImmediate(resolve));
    return this.isOpen;
  }

  /** Sends bytes and waits for one response; `onSurplus` is called for any response that comes after it. */
  exchange(bytes: Buffer | string, onSurplus: (received: Received) => void): Promise<Received> {
    const answered = this.response(onSurplus);
    if (this.isOpen) this.socket.write(bytes);
    return answered;
  }

  /** The next response. */
  response(onSurplus: (received: Received) => void): Promise<Received> {
    const { promise, resolve, reject } = Promise.withResolvers<Received>();
    // A caller that still sends looks at it later.
    promise.catch(() => {});
    this.#onSurplus = onSurplus;
    if (this.#lostReason === null) this.#waiting = { resolve, reject };
    else reject(new ConnectionLost(this.#lostReason));
    return promise;
  }

  close(): void {
    // At once: the socket tells of it only later, and nobody may send anything meanwhile.
    this.#lose('the client has closed it');
    this.socket.destroy();
  }

  #receive(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#receivedBytes += chunk.length;
    // Large responses come in many chunks: they are joined when the last one is there.
    while (this.#receivedBytes >= this.#wantedBytes) {
      const bytes = this.#chunks.length === 1 ? (this.#chunks[0] ?? chunk) : Buffer.concat(this.#chunks);
      const { received, rest, wantedBytes } = readResponse(bytes);
      this.#chunks = rest.length === 0 ? [] : [rest];
      this.#receivedBytes = rest.length;
      this.#wantedBytes = wantedBytes;
      if (received === null) return;
      this.#deliver(received);
    }
  }

  #deliver(received: Received): void {
    const waiting = this.#waiting;
    this.#waiting = null;
    if (waiting === null) this.#onSurplus(received);
    else waiting.resolve(received);
  }

  #lose(reason: string): void {
    this.#lostReason ??= reason;
    this.#waiting?.reject(new ConnectionLost(this.#lostReason));
    this.#waiting = null;
  }
}

interface Read {
  /** null: it is not complete. */
  readonly received: Received | null;
  readonly rest: Buffer;
  /** Bytes that have to be there before it is worth looking again. */
  readonly wantedBytes: number;
}

/** The gateway's responses carry their length, so nothing else is understood here. */
function readResponse(bytes: Buffer): Read {
  const headEnd = bytes.indexOf(HEAD_END);
  if (headEnd === -1) return { received: null, rest: bytes, wantedBytes: bytes.length + 1 };
  const head = bytes.latin1Slice(0, headEnd);
  const header = (name: string): string => new RegExp(`^${name}: *(.*)$`, 'im').exec(head)?.[1]?.trim() ?? '';
  const bodyStart = headEnd + HEAD_END.length;
  const end = bodyStart + Number(header('content-length') || 0);
  if (bytes.length < end) return { received: null, rest: bytes, wantedBytes: end };
  const received = {
    status: Number(head.slice('HTTP/1.1 '.length, 'HTTP/1.1 200'.length)),
    requestId: header('x-request-id'),
    body: bytes.toString('utf8', bodyStart, end),
    closes: /^close$/i.test(header('connection')),
  };
  return { received, rest: bytes.subarray(end), wantedBytes: HEAD_END.length };
}
