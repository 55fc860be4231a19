import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { Hono } from 'hono';
import { createServer, type Server, type ServerResponse } from 'node:http';
import { Server as TcpServer, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { PUBLIC_ERRORS, type PublicErrorCode } from '../errors.ts';
import type { Endpoint } from '../serving/endpoint.ts';
import type { CloseReason } from '../serving/process-figures.ts';
import { checkEveryMs, serverOptions, type ClientLimits } from './client/client-limits.ts';
import { Connection } from './client/connection.ts';
import { Exchange, type ExchangeSurroundings, type ListenerPhase } from './exchange.ts';
import { FairTurns } from './fair-turns.ts';
import { PublicRequest } from './public-request.ts';
import { RouteTable } from './router.ts';
import { NOWHERE, WRITTEN_ELSEWHERE } from './reply/written-elsewhere.ts';

export type ListenerOptions = Omit<ExchangeSurroundings, 'phase' | 'routes' | 'turns'> & {
  readonly limits: ClientLimits;
};

type GatewayBindings = HttpBindings & { readonly incoming: PublicRequest };

/** While the listener closes, how often it looks what its connections do. */
const CLOSE_CHECK_MS = 10;

/**
 * node-server builds a URL of the Host header and the target, and refuses some, with neither our body nor a request id. What
 * is valid is decided in `request-target.ts`, which has read both by then, and what they lead to in `router.ts`; Hono sees
 * these, and has one route, which it finds without a search.
 */
const HONO_HOST = 'gateway';
const HONO_PATH = '/';

/** What Node's parser calls errors that are not simply a bad request. */
const PARSER_ERRORS: Readonly<Record<string, PublicErrorCode>> = {
  HPE_HEADER_OVERFLOW: 'headers_too_large',
  HPE_CHUNK_EXTENSIONS_OVERFLOW: 'body_too_large',
};

/** The public listener: turns what comes over connections into exchanges. */
export class Listener {
  readonly server: Server<typeof PublicRequest>;
  readonly #shared: ListenerOptions & { phase: ListenerPhase; routes: RouteTable<Endpoint>; turns: FairTurns<object> };
  readonly #connections = new Map<Duplex, Connection>();
  #isChecking = false;

  constructor(options: ListenerOptions) {
    this.#shared = { ...options, phase: 'open', routes: new RouteTable([]), turns: new FairTurns() };
    this.server = this.#createServer();
  }

  /** Requests that are routed from now on are routed by this table. */
  set routes(routes: RouteTable<Endpoint>) {
    this.#shared.routes = routes;
  }

  /** Closes the listening descriptor and leaves the connections alone. */
  stopAccepting(phase: Exclude<ListenerPhase, 'open'>): void {
    this.#shared.phase = phase;
    // The HTTP server's own `close` would also reset connections that are idle, and with them requests on their way.
    TcpServer.prototype.close.call(this.server);
  }

  /** Requests that come from now on are answered with `shutting_down`. */
  refuseRequests(): void {
    this.#shared.phase = 'closing';
  }

  /** Closes every connection once it is idle, and those that are not after `timeoutMs`; resolves when there is none. */
  async closeConnections(timeoutMs: number): Promise<void> {
    const { clock } = this.#shared;
    const deadlineMs = clock.nowMs() + timeoutMs;
    while (this.#connections.size > 0) {
      const nowMs = clock.nowMs();
      for (const connection of this.#connections.values()) {
        if (nowMs >= deadlineMs) this.#close(connection, 'shutdown');
        else connection.endIfIdle(nowMs);
      }
      await this.#pause();
    }
  }

  /** Resolves when every client has closed its connection, or after `timeoutMs`. */
  clientsGone(timeoutMs: number): Promise<void> {
    return this.#until(() => this.#connections.size === 0 || this.#shared.phase === 'closing', timeoutMs);
  }

  /** Resolves when generations have all requests that were accepted, or after `timeoutMs`. */
  requestsStarted(timeoutMs: number): Promise<void> {
    return this.#until(() => ![...this.#connections.values()].some(connection => connection.pending), timeoutMs);
  }

  async #until(condition: () => boolean, timeoutMs: number): Promise<void> {
    const { clock } = this.#shared;
    const deadlineMs = clock.nowMs() + timeoutMs;
    while (!condition() && clock.nowMs() < deadlineMs) await this.#pause();
  }

  #pause(): Promise<void> {
    return new Promise(resolve => void this.#shared.clock.after(CLOSE_CHECK_MS, resolve));
  }

  #createServer(): Server<typeof PublicRequest> {
    const { limits, traffic } = this.#shared;
    const options = {
      ...serverOptions(limits),
      IncomingMessage: PublicRequest,
      // A missing Host is answered by us: Node's answer has neither our body nor a request id.
      requireHostHeader: false,
    };
    const server = createServer(options, this.#onRequest);
    // The size limit above is the only one: past this count Node would drop headers without a word.
    server.maxHeadersCount = 0;
    server.maxConnections = limits.connectionsMax;
    server.on('drop', () => traffic.countClosed('too_many'));
    server.on('checkContinue', (incoming, outgoing) => {
      incoming.awaitsContinue = true;
      this.#onRequest(incoming, outgoing);
    });
    server.on('checkExpectation', this.#onRequest);
    server.on('connect', (_incoming, socket) => this.#refuse(socket, 'bad_request', 'malformed'));
    server.on('connection', socket => this.#onConnection(socket));
    server.on('timeout', (socket: Socket) => this.#onIdle(socket));
    server.on('clientError', (error: NodeJS.ErrnoException, socket) => this.#onClientError(error, socket));
    return server;
  }

  readonly #onRequest = (incoming: PublicRequest, outgoing: ServerResponse): void => {
    const connection = this.#connections.get(incoming.socket);
    if (connection === undefined) return void incoming.socket.destroy();
    const exchange = new Exchange(incoming, outgoing, connection, this.#shared);
    const target = exchange.accept();
    if (target === null) return;
    incoming.exchange = exchange;
    incoming.url = HONO_PATH;
    incoming.headers.host = HONO_HOST;
    void this.#hono(incoming, NOWHERE);
    if (!exchange.isServed) exchange.fail('bad_request');
  };

  /** Calls the route before it returns; what it answers goes nowhere (see written-elsewhere.ts). */
  readonly #hono = getRequestListener(this.#app().fetch, { overrideGlobalObjects: false, autoCleanupIncoming: false });

  #app(): Hono<{ Bindings: GatewayBindings }> {
    const app = new Hono<{ Bindings: GatewayBindings }>({ getPath: () => HONO_PATH });
    app.all(HONO_PATH, context => {
      context.env.incoming.exchange?.serve();
      return WRITTEN_ELSEWHERE;
    });
    app.onError((error, context) => {
      this.#shared.reportError(error);
      context.env.incoming.exchange?.fail('internal_error');
      return WRITTEN_ELSEWHERE;
    });
    return app;
  }

  #onConnection(socket: Socket): void {
    const { clock, traffic } = this.#shared;
    const connection = new Connection(socket, clock);
    this.#connections.set(socket, connection);
    traffic.connections = this.#connections.size;
    this.#checkSoon();
    socket.once('close', () => {
      this.#connections.delete(socket);
      traffic.connections = this.#connections.size;
      connection.closed();
    });
  }

  /** One look at all connections every now and then, while there are any: cheaper than a timer for each. */
  #checkSoon(): void {
    if (this.#isChecking) return;
    this.#isChecking = true;
    const { clock, limits } = this.#shared;
    clock.after(checkEveryMs(limits.sendStallMs), () => {
      this.#isChecking = false;
      this.#check();
      if (this.#connections.size > 0) this.#checkSoon();
    });
  }

  #check(): void {
    const { clock, limits } = this.#shared;
    const nowMs = clock.nowMs();
    for (const connection of this.#connections.values()) {
      const reason = connection.overdue(nowMs, limits);
      if (reason !== null) this.#close(connection, reason);
    }
  }

  /** KEEP_ALIVE_SECS are over, which is the only limit for which Node tells of a timeout in this way. */
  #onIdle(socket: Socket): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) socket.destroy();
    else this.#close(connection, 'idle');
  }

  #onClientError(error: NodeJS.ErrnoException, socket: Duplex): void {
    const code = error.code ?? '';
    if (code === 'ECONNRESET' || code === 'EPIPE') return void socket.destroy();
    if (code !== 'ERR_HTTP_REQUEST_TIMEOUT')
      return this.#refuse(socket, PARSER_ERRORS[code] ?? 'bad_request', 'malformed');
    this.#refuse(socket, 'request_timeout', this.#connections.get(socket)?.lateWith ?? 'headers_timeout');
  }

  /** Answers what cannot be served on this connection any more, and closes it. */
  #refuse(socket: Duplex, code: PublicErrorCode, reason: CloseReason): void {
    const connection = this.#connections.get(socket);
    if (connection === undefined) return void socket.destroy();
    this.#count(connection, reason);
    if (connection.refuse(code)) this.#shared.traffic.countUnrouted(PUBLIC_ERRORS[code].status);
  }

  #close(connection: Connection, reason: CloseReason): void {
    this.#count(connection, reason);
    if (reason === 'send_stall') connection.reset();
    else connection.destroy();
  }

  #count(connection: Connection, reason: CloseReason): void {
    if (connection.closeFor(reason)) this.#shared.traffic.countClosed(reason);
  }
}
