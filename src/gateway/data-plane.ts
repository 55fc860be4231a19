import type { Server } from 'node:http';
import type { ControlCalls, DataPlaneSettings, GatewayEvent, ProcessFigures } from '../protocol/control.ts';
import type { PoolFactory } from '../pool/handler-pool.ts';
import type { PoolFactoryOptions } from '../pool/factory.ts';
import type { Clock } from '../serving/clock.ts';
import { Deployment } from '../serving/deployment.ts';
import type { Endpoint } from '../serving/endpoint.ts';
import { InterruptBudget } from '../serving/interrupt-budget.ts';
import { processFigures, TrafficCounters } from '../serving/process-figures.ts';
import { AccessLog } from './access-log.ts';
import { BodyGarbage } from './bodies/body-garbage.ts';
import { BodyBudget } from './bodies/body-budget.ts';
import { TrustedProxies } from './client/client-address.ts';
import { clientLimits } from './client/client-limits.ts';
import type { ControlHandlers } from './control-channel.ts';
import { Listener, type ListenerOptions } from './listener.ts';
import { RouteTable } from './router.ts';
import { warmUp } from './warm-up.ts';

export interface DataPlaneOptions {
  readonly settings: DataPlaneSettings;
  readonly clock: Clock;
  /** null: commits are told by messages only. */
  readonly flipPage: Int32Array | null;
  createPools(options: PoolFactoryOptions): PoolFactory;
  /** Makes the server accept on the public socket. */
  listen(server: Server): Promise<void>;
  readonly emit: (event: GatewayEvent) => void;
}

const MEBIBYTE = 1024 * 1024;

/** Least time clients have to read replies that are already written, when the process ends. */
const LAST_REPLIES_MS = 1_000;

/** One gateway process without the process: listener, routes and everything it serves, driven by the supervisor's calls. */
export class DataPlane implements Omit<ControlHandlers, 'start'> {
  readonly #options: DataPlaneOptions;
  readonly #traffic = new TrafficCounters();
  readonly #accessLog: AccessLog | null;
  readonly #deployment: Deployment;
  readonly #listener: Listener;
  #accepting = false;
  #ending: Promise<ProcessFigures> | null = null;

  constructor(options: DataPlaneOptions) {
    const { settings, clock, emit } = options;
    this.#options = options;
    this.#accessLog = settings.accessLog ? new AccessLog(clock, lines => emit({ kind: 'access_log', lines })) : null;
    this.#deployment = this.#createDeployment();
    this.#listener = new Listener(this.#listenerOptions());
  }

  /** It accepts connections, or did until it was told to end. */
  get accepting(): boolean {
    return this.#accepting;
  }

  /** Takes over the full state and, with a guard, binds it. */
  async start(request: ControlCalls['start']['request']): Promise<ControlCalls['start']['answer']> {
    this.#deployment.load(request.endpoints);
    const { guardPath, bindsAtOnce } = request;
    const failed = guardPath === null ? [] : await this.#bindAll(guardPath, bindsAtOnce);
    await warmUp(this.#listenerOptions());
    return { failed };
  }

  async guard({ guardPath }: ControlCalls['guard']['request']): Promise<{ ok: true }> {
    for (const failure of await this.#bindAll(guardPath, 1))
      this.#options.emit({ kind: 'endpoint_failed', ...failure });
    return { ok: true };
  }

  async accept({ crashRows }: ControlCalls['accept']['request']): Promise<{ ok: true }> {
    this.#deployment.open(crashRows);
    await this.#options.listen(this.#listener.server);
    this.#accepting = true;
    return { ok: true };
  }

  prepare({ endpoint, ...options }: ControlCalls['prepare']['request']): Promise<ControlCalls['prepare']['answer']> {
    return this.#deployment.prepare(endpoint, options);
  }

  async abandon({ endpoint, generation }: ControlCalls['abandon']['request']): Promise<{ ok: true }> {
    await this.#deployment.abandon(endpoint, generation);
    return { ok: true };
  }

  commit({ version, id, endpoint }: ControlCalls['commit']['request']): ControlCalls['commit']['answer'] {
    return { version, ...this.#deployment.commit(id, endpoint, version) };
  }

  figures(): ProcessFigures {
    return processFigures(this.#deployment, this.#traffic);
  }

  /** Resolves when everything is answered, unmapped and closed; the process may exit then. */
  shutdown({ handover = false }: ControlCalls['shutdown']['request']): Promise<ProcessFigures> {
    return this.endAfter(handover ? this.#drainTimeoutMs : 0);
  }

  /**
   * As `shutdown`, but requests on connections that are open are still served for `graceMs`. Called again, it may shorten
   * that: a handover is under way, and now everything has to end.
   */
  endAfter(graceMs: number): Promise<ProcessFigures> {
    if (this.#ending === null) this.#ending = this.#end(graceMs);
    else if (graceMs === 0) this.#listener.refuseRequests();
    else this.#options.clock.after(graceMs, () => this.#listener.refuseRequests());
    return this.#ending;
  }

  get #drainTimeoutMs(): number {
    return this.#options.settings.drainTimeoutSecs * 1000;
  }

  async #end(graceMs: number): Promise<ProcessFigures> {
    const startedMs = this.#options.clock.nowMs();
    this.#listener.stopAccepting(graceMs > 0 ? 'handing_over' : 'closing');
    if (graceMs > 0) await this.#listener.clientsGone(graceMs);
    this.#listener.refuseRequests();
    await this.#listener.requestsStarted(this.#drainTimeoutMs);
    await this.#deployment.drainAll();
    const leftMs = this.#drainTimeoutMs - (this.#options.clock.nowMs() - startedMs);
    await this.#listener.closeConnections(Math.max(LAST_REPLIES_MS, leftMs));
    this.#accessLog?.flush();
    const figures = this.figures();
    await this.#deployment.poolFactory?.close();
    return figures;
  }

  #bindAll(guardPath: string, bindsAtOnce: number): ReturnType<Deployment['bindAll']> {
    const { imagesDir, handlerMaxMemoryMb, handlerLogLinesMax: logLinesMax, crashLoopFaults } = this.#options.settings;
    const arenaBytes = handlerMaxMemoryMb * MEBIBYTE;
    const pausesRecycles = crashLoopFaults > 0;
    const pools = this.#options.createPools({ guardPath, imagesDir, arenaBytes, logLinesMax, pausesRecycles });
    return this.#deployment.bindAll(pools, bindsAtOnce);
  }

  #createDeployment(): Deployment {
    const { settings, clock, flipPage } = this.#options;
    const { threadsMax, queueMax, inFlightMax, crashLoopFaults, sleepAfterSecs, interruptsMax } = settings;
    const budget = new InterruptBudget(interruptsMax);
    const emit = (event: GatewayEvent): void => {
      this.#options.emit(event);
      const request = budget.after(event);
      if (request !== null) this.#options.emit(request);
    };
    const routesChanged = (routed: readonly Endpoint[]): void => this.#route(routed);
    const sleepAfterMs = sleepAfterSecs * 1000;
    const limits = { threadsMax, queueMax, inFlightMax, crashLoopFaults, sleepAfterMs };
    return new Deployment({ ...limits, clock, flipPage, emit, routesChanged });
  }

  #listenerOptions(): ListenerOptions {
    const { settings, clock, emit } = this.#options;
    return {
      limits: clientLimits(settings),
      bodyBytesMax: settings.maxBodyMb * MEBIBYTE,
      bodies: new BodyBudget(settings.bodiesMaxMb * MEBIBYTE),
      garbage: new BodyGarbage(),
      proxies: new TrustedProxies(settings.trustedProxies),
      clock,
      traffic: this.#traffic,
      accessLog: this.#accessLog,
      reportError(error) {
        const fields = { error: error instanceof Error ? (error.stack ?? error.message) : String(error) };
        emit({ kind: 'log', level: 'error', message: 'A request could not be answered.', fields });
      },
    };
  }

  #route(routed: readonly Endpoint[]): void {
    const routes = routed.flatMap(target => (target.spec === null ? [] : [{ route: target.spec.route, target }]));
    this.#listener.routes = new RouteTable(routes);
  }
}
