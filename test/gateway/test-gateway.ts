import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import type { DataPlaneSettings, EndpointSpec, GatewayEvent, RouteSpec } from '../../src/protocol/control.ts';
import { DataPlane } from '../../src/gateway/data-plane.ts';
import type { CloseReason } from '../../src/serving/process-figures.ts';
import { systemClock, type Clock } from '../../src/serving/clock.ts';
import { TEST_SETTINGS } from '../support/data-plane-settings.ts';
import { eventually } from '../support/eventually.ts';
import { ManualClock } from '../serving/manual-clock.ts';
import { ManualPoolFactory, replyWith, type ManualHandler } from '../serving/manual-pool.ts';
import { RawClient, type RawResponse } from './raw-client.ts';

export function endpointSpec(id: string, route: Partial<RouteSpec>, generation: number | null = 1): EndpointSpec {
  return {
    id,
    route: { domain: '*', method: 'GET', path: `/${id}`, ...route },
    serving: generation === null ? null : { generation, artifactPath: `/artifacts/${id}-${generation}` },
    timeoutMs: 10_000,
    drainTimeoutMs: 5_000,
    threadsMax: 2,
  };
}

interface TestGatewayOptions {
  readonly settings?: Partial<DataPlaneSettings>;
  readonly handler?: ManualHandler;
  readonly endpoints?: readonly EndpointSpec[];
  /** Default: the system's. Node's own timers, such as those for slow requests, know no other. */
  readonly clock?: Clock;
}

/** A data plane with a real HTTP listener on a free port, over fake pools. */
export class TestGateway {
  readonly plane: DataPlane;
  readonly factory: ManualPoolFactory;
  readonly events: GatewayEvent[] = [];
  port = 0;
  readonly #clock: Clock;
  #server: { closeAllConnections(): void } | null = null;

  private constructor(options: TestGatewayOptions) {
    const answer: ManualHandler = (_parts, settle) => settle(replyWith('hello'));
    this.#clock = options.clock ?? systemClock;
    this.factory = new ManualPoolFactory(this.#clock, options.handler ?? answer);
    this.plane = new DataPlane({
      settings: { ...TEST_SETTINGS, ...options.settings },
      clock: this.#clock,
      flipPage: null,
      createPools: () => this.factory,
      emit: event => void this.events.push(event),
      listen: async server => {
        server.listen(0, '127.0.0.1');
        await once(server, 'listening');
        this.port = (server.address() as AddressInfo).port;
        this.#server = server;
      },
    });
  }

  static async start(options: TestGatewayOptions = {}): Promise<TestGateway> {
    const gateway = new TestGateway(options);
    const endpoints = options.endpoints ?? [endpointSpec('hello', {})];
    const settings = { ...TEST_SETTINGS, ...options.settings };
    await gateway.plane.start({ settings, guardPath: '/guard', version: 1, endpoints, bindsAtOnce: 4 });
    await gateway.plane.accept({ crashRows: [] });
    return gateway;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  connect(): Promise<RawClient> {
    return RawClient.connect(this.port);
  }

  /** Sends bytes over a connection of their own and gives the first response. */
  async send(data: string | Buffer): Promise<RawResponse> {
    using client = await this.connect();
    client.send(data);
    return await client.response();
  }

  get(path: string, headers = ''): Promise<RawResponse> {
    return this.send(`GET ${path} HTTP/1.1\r\nHost: test\r\n${headers}\r\n`);
  }

  requestsInFlight(count: number): Promise<true> {
    return this.until(() => this.plane.figures().inFlight === count);
  }

  until(condition: () => boolean): Promise<true> {
    return eventually(condition.toString(), condition);
  }

  /** Counts of connections that were closed against their client's will, without those that are 0. */
  get closed(): Partial<Record<CloseReason, number>> {
    const counts = Object.entries(this.plane.figures().connectionsClosed).filter(([, count]) => count > 0);
    return Object.fromEntries(counts);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server?.closeAllConnections();
    const ended = this.plane.shutdown({});
    const hasEnded = ended.then(() => true);
    if (this.#clock instanceof ManualClock) {
      const clock = this.#clock;
      while (!(await Promise.race([hasEnded, clock.advance(10)]))) continue;
    }
    await ended;
  }
}
