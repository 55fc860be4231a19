import type { EndpointSpec, GatewayEvent } from '../../src/protocol/control.ts';
import type { RequestParts } from '../../src/protocol/frame.ts';
import type { Outcome } from '../../src/pool/handler-pool.ts';
import { Deployment, type DeploymentOptions } from '../../src/serving/deployment.ts';
import type { Endpoint } from '../../src/serving/endpoint.ts';
import { ManualPoolFactory, replyWith } from './manual-pool.ts';
import { ManualClock } from './manual-clock.ts';

export function spec(id: string, generation: number | null, change: Partial<EndpointSpec> = {}): EndpointSpec {
  return {
    id,
    route: { domain: '*', method: 'GET', path: `/${id}` },
    serving: generation === null ? null : { generation, artifactPath: `/artifacts/${id}-${generation}` },
    timeoutMs: 30_000,
    drainTimeoutMs: 10_000,
    threadsMax: 4,
    ...change,
  };
}

/** A deployment over fake pools; requests stay open until a test answers them, unless `answers` is set. */
export class Harness {
  readonly clock = new ManualClock();
  readonly events: GatewayEvent[] = [];
  readonly open: ((outcome: Outcome) => void)[] = [];
  readonly factory: ManualPoolFactory;
  readonly deployment: Deployment;
  answers = false;
  routed: readonly string[] = [];

  constructor(options: Partial<DeploymentOptions> = {}) {
    this.factory = new ManualPoolFactory(this.clock, (_parts, settle, pool) => {
      const answer = replyWith(`generation ${pool.spec.generation}`);
      if (this.answers) settle(answer);
      else this.open.push(outcome => settle(outcome));
    });
    this.deployment = new Deployment({
      threadsMax: 8,
      sleepAfterMs: 0,
      queueMax: 100,
      inFlightMax: 1_000,
      crashLoopFaults: 0,
      flipPage: null,
      clock: this.clock,
      emit: event => void this.events.push(event),
      routesChanged: routed => void (this.routed = routed.map(endpoint => endpoint.id)),
      ...options,
    });
  }

  /** Starts with these endpoints, all bound, and requests may come. */
  async start(...specs: EndpointSpec[]): Promise<void> {
    await this.startSpare(...specs);
    this.deployment.open([]);
  }

  /** Starts with these endpoints, all bound; `deployment.open()` says that requests come. */
  async startSpare(...specs: EndpointSpec[]): Promise<void> {
    this.deployment.load(specs);
    await this.deployment.bindAll(this.factory, 4);
  }

  endpoint(id: string): Endpoint {
    for (const endpoint of this.deployment.endpoints) if (endpoint.id === id) return endpoint;
    throw new Error(`there is no endpoint ${id}`);
  }

  /** Sends a request to an endpoint; the outcome is what it settled with so far. */
  request(id: string): { outcome: Outcome | null; taken: boolean; cancel(): void } {
    const result: { outcome: Outcome | null; taken: boolean; cancel(): void } = {
      outcome: null,
      taken: true,
      cancel: () => undefined,
    };
    const settle = (outcome: Outcome): void => void (result.outcome = outcome);
    const invocation = this.endpoint(id).current()?.invoke(PARTS, settle) ?? null;
    result.taken = invocation !== null;
    result.cancel = () => invocation?.cancel();
    return result;
  }

  /** Answers the oldest request that is still open. */
  answerOne(): void {
    const settle = this.open.shift();
    if (settle === undefined) throw new Error('no request is open');
    settle(replyWith('late'));
  }

  answerAll(): void {
    while (this.open.length > 0) this.answerOne();
  }

  eventsOf<K extends GatewayEvent['kind']>(kind: K): Extract<GatewayEvent, { kind: K }>[] {
    return this.events.filter((event): event is Extract<GatewayEvent, { kind: K }> => event.kind === kind);
  }

  asleep(id: string): boolean {
    return this.endpoint(id).serving?.figures().asleep ?? true;
  }
}

const PARTS: RequestParts = {
  method: 'GET',
  path: '/',
  query: '',
  requestId: 'test',
  clientIp: '127.0.0.1',
  rawHeaders: [],
  params: [],
  body: null,
};
