import type { Socket } from 'node:net';
import type { PublicErrorCode } from '../errors.ts';
import type { Clock } from '../serving/clock.ts';
import { rawErrorReply } from './error-reply.ts';
import type { Exchange } from './exchange.ts';
import { LINGER_MS } from './linger.ts';
import { newRequestId } from './request-id.ts';

/** Time a client has to close its side of an idle connection after we have closed ours. */
const GOODBYE_MS = 200;

/** One client connection and the requests on it that have no reply yet; several when the client pipelines. */
export class Connection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  readonly #open = new Set<Exchange>();
  #latest: Exchange | null = null;
  #refused = false;
  #endedAtMs: number | null = null;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** A body is still on the way. */
  get receiving(): boolean {
    return [...this.#open].some(exchange => exchange.receiving);
  }

  add(exchange: Exchange): void {
    this.#open.add(exchange);
    this.#latest = exchange;
  }

  /** No request came after this one, so its reply is the last that is written, whatever is answered first. */
  isLatest(exchange: Exchange): boolean {
    return this.#latest === exchange;
  }

  remove(exchange: Exchange): void {
    this.#open.delete(exchange);
  }

  /** The client is gone. */
  closed(): void {
    for (const exchange of this.#open) exchange.abandon();
  }

  /**
   * Answers bytes that are no request with the error `code`, and closes. When they are in the body of a request, that one
   * is what is answered; requests before them are answered first. true: the answer is one to no request.
   */
  refuse(code: PublicErrorCode): boolean {
    if (this.#refused) return false;
    this.#refused = true;
    const last = [...this.#open].at(-1);
    if (last?.receiving === true) {
      last.breakOff(code);
      return false;
    }
    const reply = rawErrorReply(code, newRequestId());
    if (last === undefined) this.#end(reply);
    else last.onceSent(() => this.#end(reply));
    return true;
  }

  /**
   * Says goodbye when nothing is being read, handled or written: no reset, so a reply on its way still arrives. A client
   * that does not notice (pooled connections often do not) is left after GOODBYE_MS.
   */
  endIfIdle(nowMs: number): void {
    if (!this.#idle) return;
    if (this.#endedAtMs === null) {
      this.#endedAtMs = nowMs;
      this.#socket.end();
    } else if (nowMs - this.#endedAtMs >= GOODBYE_MS) this.#socket.destroy();
  }

  /** No request is open, and the last reply, which goes out behind all others, was handed to the system. */
  get #idle(): boolean {
    return this.#open.size === 0 && (this.#latest === null || this.#latest.isSent);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #end(reply: string): void {
    if (!this.#socket.writable) return this.destroy();
    this.#socket.end(reply);
    // Not closed at once, for the same reason as in linger.ts; what still comes is read, and refused in silence.
    this.#clock.after(LINGER_MS, () => this.destroy());
  }
}
