import type { ServerResponse } from 'node:http';
import { PUBLIC_ERRORS, type PublicErrorCode, type PublicErrorEntry } from '../errors.ts';
import type { Invocation, Outcome } from '../pool/handler-pool.ts';
import { FITTING_BYTES_MAX, fitsFrame, utf8AsLatin1, type Reply } from '../protocol/frame.ts';
import type { Clock } from '../serving/clock.ts';
import type { Endpoint } from '../serving/endpoint.ts';
import type { TrafficCounters } from '../serving/process-figures.ts';
import type { AccessLog } from './access-log.ts';
import type { BodyGarbage } from './bodies/body-garbage.ts';
import type { BodyBudget } from './bodies/body-budget.ts';
import { announcedBytes, BodyReader, type BodyResult } from './bodies/body-reader.ts';
import type { TrustedProxies } from './client/client-address.ts';
import type { ClientLimits } from './client/client-limits.ts';
import type { Connection } from './client/connection.ts';
import type { FairTurns } from './fair-turns.ts';
import { lingerThenEnd } from './client/linger.ts';
import type { PublicRequest } from './public-request.ts';
import { errorReply } from './reply/error-reply.ts';
import { hasNoBody, hasNoLength, isFinalStatus, replyHeaders } from './reply/reply-headers.ts';
import { setHead } from './reply/reply-head.ts';
import { requestIdFor } from './request-id.ts';
import { hasOneHost, readTarget, type RequestTarget } from './request-target.ts';
import type { RouteTable, Routing } from './router.ts';

/** `handing_over`: requests on open connections are served, each with `Connection: close`; `closing`: they are refused. */
export type ListenerPhase = 'open' | 'handing_over' | 'closing';

/** What exchanges have in common. */
export interface ExchangeSurroundings {
  readonly phase: ListenerPhase;
  readonly routes: RouteTable<Endpoint>;
  readonly limits: Pick<ClientLimits, 'headerBytesMax'>;
  readonly bodyBytesMax: number;
  readonly bodies: BodyBudget;
  readonly garbage: BodyGarbage;
  readonly proxies: TrustedProxies;
  readonly clock: Clock;
  readonly turns: FairTurns<object>;
  readonly traffic: TrafficCounters;
  readonly accessLog: AccessLog | null;
  /** A fault of the gateway's own code. */
  reportError(error: unknown): void;
}

/** What all requests without an endpoint share one turn as. */
const UNROUTED = {};

/** What is counted and logged for a client that left before its reply, as other servers do. */
const STATUS_CLIENT_GONE = 499;

/** A body up to this size goes out as a string: Node then sends it in one write with the headers. */
const STRING_BODY_BYTES_MAX = 16 * 1024;

/**
 * One request and its reply: received, handled, over. It ends exactly once, by a reply or because the client left; what
 * the request held is given back then.
 */
export class Exchange {
  readonly requestId: string;
  readonly #incoming: PublicRequest;
  readonly #outgoing: ServerResponse;
  readonly #connection: Connection;
  readonly #surroundings: ExchangeSurroundings;
  readonly #startedMs: number;
  #target: RequestTarget | null = null;
  #endpoint: Endpoint | null = null;
  #generation: number | null = null;
  #params: readonly string[] = [];
  #reader: BodyReader | null = null;
  #bodyBytesHeld = 0;
  #bodyRead = false;
  /** Its endpoint has had its share of the main thread for now. */
  #awaitsTurn = false;
  /** The body was given up: `broken`, nothing more of it can be read; `late`, it may still come. */
  #bodyGivenUp: 'broken' | 'late' | null = null;
  #invocation: Invocation | null = null;
  #isServed = false;
  #over = false;

  constructor(
    incoming: PublicRequest,
    outgoing: ServerResponse,
    connection: Connection,
    surroundings: ExchangeSurroundings,
  ) {
    this.#incoming = incoming;
    this.#outgoing = outgoing;
    this.#connection = connection;
    this.#surroundings = surroundings;
    this.#startedMs = surroundings.clock.nowMs();
    this.requestId = requestIdFor(incoming.headers['x-request-id']);
    connection.add(this);
  }

  /** `serve` was called. */
  get isServed(): boolean {
    return this.#isServed;
  }

  /** Its body is still on the way. */
  get receiving(): boolean {
    if (this.#over || this.#bodyRead) return false;
    return this.#reader !== null || (this.#awaitsTurn && !this.isReceived);
  }

  /** No generation has it yet. */
  get pending(): boolean {
    return this.receiving || (this.#awaitsTurn && !this.#over);
  }

  /** Reads what the request is aimed at. null: it was answered already, as malformed or because the gateway closes. */
  accept(): RequestTarget | null {
    if (this.#surroundings.phase === 'closing') {
      this.fail('shutting_down');
      return null;
    }
    const { url = '', headers } = this.#incoming;
    this.#target = hasOneHost(this.#incoming) ? readTarget(url, headers.host) : null;
    if (this.#target === null) this.fail('bad_request');
    return this.#target;
  }

  /** Routes the request, reads its body and hands it to a handler. `accept` went before. */
  serve(): void {
    this.#isServed = true;
    const { proxies, routes, turns } = this.#surroundings;
    const { headers, socket, method = '' } = this.#incoming;
    if (this.#over || this.#target === null) return;
    const host = proxies.forwardedHost(socket.remoteAddress, headers) ?? this.#target.host;
    const routing = routes.route(host, method, this.#target.path);
    if (routing.kind === 'matched') this.#endpoint = routing.target;
    this.#awaitsTurn = true;
    turns.run(this.#endpoint ?? UNROUTED, this.#startedMs, () => this.#tryToBegin(routing));
  }

  /** Others may have their turn after it, so nothing is thrown. */
  #tryToBegin(routing: Routing<Endpoint>): void {
    try {
      this.#begin(routing);
    } catch (error) {
      this.#surroundings.reportError(error);
      this.fail('internal_error');
    }
  }

  #begin(routing: Routing<Endpoint>): void {
    this.#awaitsTurn = false;
    if (this.#over) return;
    if (routing.kind === 'malformed') return this.fail('bad_request');
    if (routing.kind === 'not_found') return this.fail('route_not_found');
    if (routing.kind === 'method_not_allowed') return this.fail('method_not_allowed', ['allow', routing.allow]);
    if (routing.params.length > 0) this.#params = routing.params.map(utf8AsLatin1);
    if (!this.#fitsFrame()) return this.fail('headers_too_large');
    this.#receive();
  }

  /** The whole reply was handed to the system. */
  get isSent(): boolean {
    return this.#outgoing.writableFinished;
  }

  /** Runs `action` when the whole reply was handed to the system. */
  onceSent(action: () => void): void {
    this.#outgoing.once('finish', action);
  }

  /** All of the request has arrived. */
  get isReceived(): boolean {
    return this.#incoming.complete;
  }

  /** Answers with an error of the gateway. */
  fail(code: PublicErrorCode, headers: readonly string[] = []): void {
    if (this.#over) return;
    const { isRejection }: PublicErrorEntry = PUBLIC_ERRORS[code];
    if (isRejection === true) this.#endpoint?.counters.countRejected(code);
    const reply = errorReply(code, this.requestId, headers);
    this.#write(reply.status, reply.headers, Buffer.from(reply.body));
  }

  /** Answers with an error because its body will not be complete: what follows cannot be read, or comes too late. */
  breakOff(code: PublicErrorCode): void {
    this.#bodyGivenUp = code === 'request_timeout' ? 'late' : 'broken';
    this.fail(code);
    this.#reader?.cancel();
  }

  /** The client is gone: nobody waits for the reply. */
  abandon(): void {
    if (this.#over) return;
    this.#end(STATUS_CLIENT_GONE, 0);
    this.#reader?.cancel();
    this.#invocation?.cancel();
  }

  /** A header may be too large to be handed on alone, though all together keep their limit. */
  #fitsFrame(): boolean {
    if (this.#surroundings.limits.headerBytesMax <= FITTING_BYTES_MAX) return true;
    return fitsFrame({ rawHeaders: this.#incoming.rawHeaders, params: this.#params });
  }

  #receive(): void {
    const { bodies, bodyBytesMax } = this.#surroundings;
    const announced = announcedBytes(this.#incoming);
    if (announced === 0) return this.#invoke(null);
    if (announced !== null && announced > bodyBytesMax) return this.fail('body_too_large');
    if (announced !== null && !bodies.fits(announced)) return this.fail('bodies_full');
    if (this.#incoming.awaitsContinue) this.#continue();
    const limits = { bytesMax: bodyBytesMax, budget: bodies };
    this.#reader = new BodyReader(this.#incoming, limits, result => this.#received(result));
  }

  #continue(): void {
    this.#incoming.awaitsContinue = false;
    this.#outgoing.writeContinue();
  }

  #received(result: BodyResult): void {
    if (this.#over) {
      if (result.kind === 'complete') this.#surroundings.bodies.release(result.body.length);
      return;
    }
    if (result.kind === 'aborted') return this.abandon();
    if (result.kind !== 'complete') return this.fail(result.kind === 'too_large' ? 'body_too_large' : 'bodies_full');
    this.#bodyRead = true;
    this.#bodyBytesHeld = result.body.length;
    this.#invoke(result.body);
  }

  /** From here on the request belongs to the generation that serves now. */
  #invoke(body: Buffer | null): void {
    const endpoint = this.#endpoint;
    if (endpoint === null || this.#target === null) return;
    const { method = '', headers, rawHeaders, socket } = this.#incoming;
    const clientIp = this.#surroundings.proxies.clientAddress(socket.remoteAddress, headers);
    const { requestId } = this;
    const { path, query } = this.#target;
    const parts = { method, path, query, requestId, clientIp, rawHeaders, params: this.#params, body };
    const serving = endpoint.current();
    this.#generation = serving?.number ?? null;
    this.#invocation = serving?.invoke(parts, this.#settle) ?? null;
    if (this.#invocation !== null) return;
    this.fail(this.#surroundings.phase === 'closing' ? 'shutting_down' : 'endpoint_not_loaded');
  }

  readonly #settle = (outcome: Outcome): void => {
    if (this.#over) return;
    try {
      if (outcome.kind === 'reply') this.#reply(outcome.reply);
      else this.fail(outcome.code);
    } catch (error) {
      this.#surroundings.reportError(error);
      this.#outgoing.destroy();
    }
  };

  #reply(reply: Reply): void {
    const headers = isFinalStatus(reply.status) ? replyHeaders(reply.headers) : null;
    if (headers === null) return this.fail('handler_invalid_response');
    this.#write(reply.status, headers, reply.body);
  }

  #write(status: number, headers: string[], body: Buffer): void {
    const bodiless = hasNoBody(status) || this.#incoming.method === 'HEAD';
    headers.push('x-request-id', this.requestId);
    if (!hasNoLength(status)) headers.push('content-length', status === 205 ? '0' : String(body.length));
    const unread = this.#bodyUnread();
    if (unread !== 'none' || this.#closesConnection()) headers.push('connection', 'close');
    this.#end(status, bodiless ? 0 : body.length);
    if (bodiless || body.length === 0) this.#outgoing.writeHead(status, headers);
    else setHead(this.#incoming, this.#outgoing, status, headers);
    if (unread === 'coming') {
      if (!bodiless) this.#outgoing.write(body);
      lingerThenEnd(this.#incoming, this.#outgoing, this.#surroundings.clock);
    } else if (bodiless) this.#outgoing.end();
    else if (body.length > STRING_BODY_BYTES_MAX) this.#outgoing.end(body);
    else this.#outgoing.end(body.latin1Slice(), 'latin1');
  }

  /**
   * What of the body has not been read when the reply goes out. A rest that is small enough counts as none: Node reads
   * and drops it, and the connection lives on. `never`: it is broken, or the client waits for "100 Continue" in vain.
   */
  #bodyUnread(): 'none' | 'coming' | 'never' {
    if (this.#bodyRead || this.#incoming.complete) return 'none';
    if (this.#incoming.awaitsContinue || this.#bodyGivenUp === 'broken') return 'never';
    if (this.#bodyGivenUp === 'late') return 'coming';
    const announced = announcedBytes(this.#incoming);
    return announced === null || announced > this.#surroundings.bodyBytesMax ? 'coming' : 'none';
  }

  /** While the gateway closes, a connection goes with the last reply on it, not with one that others stand behind. */
  #closesConnection(): boolean {
    return this.#surroundings.phase !== 'open' && this.#connection.isLatest(this);
  }

  #end(status: number, bodyBytes: number): void {
    const { bodies, garbage, clock, traffic, accessLog } = this.#surroundings;
    const durationMs = clock.nowMs() - this.#startedMs;
    this.#over = true;
    bodies.release(this.#bodyBytesHeld);
    garbage.left(this.#bodyBytesHeld);
    garbage.left(bodyBytes);
    this.#bodyBytesHeld = 0;
    if (this.#endpoint === null) traffic.countUnrouted(status);
    else {
      traffic.requestsTotal++;
      this.#endpoint.counters.countRequest(status, durationMs);
    }
    if (accessLog !== null) this.#log(accessLog, status, durationMs, bodyBytes);
    this.#connection.remove(this);
  }

  #log(accessLog: AccessLog, status: number, durationMs: number, bytes: number): void {
    const { method = '', url = '', headers, socket } = this.#incoming;
    accessLog.add({
      at: this.#surroundings.clock.wallMs(),
      requestId: this.requestId,
      endpoint: this.#endpoint?.id ?? null,
      generation: this.#generation,
      clientIp: this.#surroundings.proxies.clientAddress(socket.remoteAddress, headers),
      method,
      path: this.#target?.path ?? url,
      status,
      durationMs,
      bytes,
    });
  }
}
