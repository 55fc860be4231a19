import type { Socket } from 'node:net';
import type { PublicErrorCode } from '../../errors.ts';
import type { Clock } from '../../serving/clock.ts';
import type { CloseReason } from '../../serving/process-figures.ts';
import type { ClientLimits } from './client-limits.ts';
import { rawErrorReply } from '../reply/error-reply.ts';
import type { Exchange } from '../exchange.ts';
import { LINGER_MS } from './linger.ts';
import { newRequestId } from '../request-id.ts';
import { acknowledgedBytes, SendWatch } from './send-stall.ts';

/** Time a client has to close its side of an idle connection after we have closed ours. */
const GOODBYE_MS = 200;

/** One client connection and the requests on it that have no reply yet; several when the client pipelines. */
export class Connection {
  readonly #socket: Socket;
  readonly #clock: Clock;
  /**
   * In the order of their requests; an array, though each is added and removed, for the reason given in
   * pool/requests/request-table.ts.
   */
  readonly #open: Exchange[] = [];
  readonly #sending = new SendWatch();
  #latest: Exchange | null = null;
  #refused = false;
  #idleSinceMs: number | null = null;
  #closeReason: CloseReason | null = null;
  #endedAtMs: number | null = null;

  constructor(socket: Socket, clock: Clock) {
    this.#socket = socket;
    this.#clock = clock;
  }

  /** There are requests that no generation has yet. */
  get pending(): boolean {
    return this.#open.some(exchange => exchange.pending);
  }

  /** The client has begun a request and not sent all of it, whether that was answered or not. */
  get #inRequest(): boolean {
    return this.#latest !== null && !this.#latest.isReceived;
  }

  /** Which limit a client exceeds whose request does not arrive in time. */
  get lateWith(): 'headers_timeout' | 'receive_timeout' {
    return this.#inRequest ? 'receive_timeout' : 'headers_timeout';
  }

  add(exchange: Exchange): void {
    this.#open.push(exchange);
    this.#latest = exchange;
    this.#idleSinceMs = null;
  }

  /** No request came after this one, so its reply is the last that is written, whatever is answered first. */
  isLatest(exchange: Exchange): boolean {
    return this.#latest === exchange;
  }

  remove(exchange: Exchange): void {
    const index = this.#open.indexOf(exchange);
    if (index === this.#open.length - 1) this.#open.pop();
    else if (index !== -1) this.#open.splice(index, 1);
  }

  /** The client is gone. */
  closed(): void {
    for (const exchange of [...this.#open]) exchange.abandon();
  }

  /** The gateway closes the connection for this reason. false: it does so for another one already. */
  closeFor(reason: CloseReason): boolean {
    if (this.#closeReason !== null) return false;
    this.#closeReason = reason;
    return true;
  }

  /** Why the client has to go now, if it has to; called every now and then, the more often the more exact. */
  overdue(nowMs: number, limits: ClientLimits): 'send_stall' | 'idle' | null {
    const taken = (): number => acknowledgedBytes(this.#socket);
    const stalledMs = this.#sending.stalledMs(nowMs, this.#socket.writableLength, taken);
    if (stalledMs >= limits.sendStallMs) return 'send_stall';
    if (!this.#idle || this.#inRequest) return null;
    this.#idleSinceMs ??= nowMs;
    // Node's own timers leave a gap: empty lines in front of a request begin none, and yet each is a sign of life.
    const idleMsMax = limits.keepAliveMs + limits.headersTimeoutMs;
    return nowMs - this.#idleSinceMs > idleMsMax ? 'idle' : null;
  }

  /**
   * Answers bytes that are no request with the error `code`, and closes. When they are in the body of a request, that one
   * is what is answered, unless it has been; requests before them are answered first. A client that has sent nothing is
   * told nothing: it may be about to, and would take this for the answer. true: the answer is one to no request.
   */
  refuse(code: PublicErrorCode): boolean {
    if (this.#refused) return false;
    this.#refused = true;
    const last = this.#open.at(-1);
    if (last?.receiving === true) {
      last.breakOff(code);
      return false;
    }
    if (this.#socket.bytesRead === 0) {
      this.destroy();
      return false;
    }
    const isAnswered = this.#inRequest;
    const reply = isAnswered ? '' : rawErrorReply(code, newRequestId());
    if (this.#latest === null || this.#latest.isSent) this.#end(reply);
    else this.#latest.onceSent(() => this.#end(reply));
    return !isAnswered;
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
    return this.#open.length === 0 && (this.#latest === null || this.#latest.isSent);
  }

  destroy(): void {
    this.#socket.destroy();
  }

  /** As `destroy`, and the kernel forgets what the client has not taken; else it would keep it for minutes. */
  reset(): void {
    this.#socket.resetAndDestroy();
  }

  #end(reply: string): void {
    if (!this.#socket.writable) return this.destroy();
    this.#socket.end(reply);
    // Not closed at once, for the same reason as in linger.ts; what still comes is read, and refused in silence.
    this.#clock.after(LINGER_MS, () => this.destroy());
  }
}
