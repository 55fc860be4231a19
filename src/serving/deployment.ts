import PQueue from 'p-queue';
import type {
  BindFailure,
  CrashRow,
  EndpointSpec,
  GatewayEvent,
  GenerationSpec,
  PrepareOutcome,
} from '../protocol/control.ts';
import { NO_TICKET } from '../protocol/flip-page.ts';
import type { PoolFactory, PoolLimits } from '../pool/handler-pool.ts';
import type { Clock } from './clock.ts';
import { Endpoint } from './endpoint.ts';
import type { FlipTurn } from './flip-watch.ts';
import { Generation, type GenerationSurroundings } from './generation.ts';
import { ThreadKeeper } from './thread-keeper.ts';

export interface DeploymentOptions {
  readonly threadsMax: number;
  /** 0: endpoints sleep only for want of threads. */
  readonly sleepAfterMs: number;
  readonly queueMax: number;
  readonly inFlightMax: number;
  /** Crashes of a generation in a row that are a crash loop; 0: none ever is. */
  readonly crashLoopFaults: number;
  readonly clock: Clock;
  /** null: commits are told by messages only. */
  readonly flipPage: Int32Array | null;
  readonly emit: (event: GatewayEvent) => void;
  /** The routed endpoints are others now, or have other routes. Called before `commit` returns. */
  routesChanged(routed: readonly Endpoint[]): void;
}

export type GenerationBindFailure = { readonly endpoint: string; readonly generation: number } & BindFailure;

/** Everything this process serves, and the control plane's calls that change it. */
export class Deployment {
  readonly #options: DeploymentOptions;
  readonly #keeper: ThreadKeeper;
  readonly #surroundings: GenerationSurroundings;
  readonly #endpoints = new Map<string, Endpoint>();
  #pools: PoolFactory | null = null;
  readonly #onTurned = (endpoint: Endpoint, turn: FlipTurn): void => this.#follow(endpoint, turn);
  #ending = false;
  #faults = 0;

  constructor(options: DeploymentOptions) {
    this.#options = options;
    const { clock, threadsMax, sleepAfterMs, crashLoopFaults } = options;
    this.#keeper = new ThreadKeeper({ clock, threadsMax, sleepAfterMs });
    this.#surroundings = {
      clock,
      keeper: this.#keeper,
      crashLoopFaults,
      poolFactory: () => this.#pools,
      emit: event => this.#emit(event),
    };
  }

  get endpoints(): Iterable<Endpoint> {
    return this.#endpoints.values();
  }

  get threadsUsed(): number {
    return this.#keeper.threadsUsed;
  }

  /** Of all generations there have been. */
  get faultsTotal(): number {
    return this.#faults;
  }

  get poolFactory(): PoolFactory | null {
    return this.#pools;
  }

  /** Takes over the full state, everything asleep; `bindAll` follows. */
  load(specs: readonly EndpointSpec[]): void {
    for (const spec of specs) {
      const endpoint = this.#ensure(spec.id);
      this.#specify(endpoint, spec);
      if (spec.serving === null) continue;
      endpoint.serving = this.#newGeneration(endpoint, spec, spec.serving);
      endpoint.serving.serve();
    }
    this.#routesChanged();
  }

  /**
   * Binds one image of every deployed endpoint, as long as there are threads; the others stay asleep. From here on pools
   * come from `factory`. Gives the endpoints that could not be bound.
   */
  async bindAll(factory: PoolFactory, bindsAtOnce: number): Promise<readonly GenerationBindFailure[]> {
    this.#pools = factory;
    const failed: GenerationBindFailure[] = [];
    const queue = new PQueue({ concurrency: bindsAtOnce });
    for (const { id, serving } of this.#endpoints.values()) {
      if (serving === null) continue;
      void queue.add(async () => {
        if (this.#keeper.threadsFree === 0 || !serving.serving) return;
        const failure = await serving.bind(1);
        if (failure !== null) failed.push({ endpoint: id, generation: serving.number, ...failure });
      });
    }
    await queue.onIdle();
    return failed;
  }

  /** Requests come from now on: endpoints without any may sleep. `crashRows`: of the process that had them before. */
  open(crashRows: readonly CrashRow[]): void {
    for (const { endpoint, generation, crashes } of crashRows) {
      const serving = this.#endpoints.get(endpoint)?.serving;
      if (serving?.number === generation) serving.resumeCrashes(crashes);
    }
    this.#keeper.beginSleepChecks();
  }

  /**
   * Binds images of `spec.serving` beside the generation that serves: as many as that has awake, at least one. `ahead`: for a
   * deploy that may never come, so only where there are threads, and only as long as nobody else needs them. `ticket`: what
   * the flip page calls it.
   */
  async prepare(spec: EndpointSpec, { ahead = false, ticket = NO_TICKET } = {}): Promise<PrepareOutcome> {
    if (spec.serving === null)
      return { ok: false, code: 'worker_failed', message: 'There is no generation to prepare.' };
    if (ahead && !this.#keeper.hasSlack)
      return { ok: false, code: 'no_threads', message: 'Half of THREADS_MAX is in use.' };
    const generation = this.#preparedAs(spec.serving, spec.id) ?? this.#replacePrepared(spec, spec.serving, ahead);
    const endpoint = this.#ensure(spec.id);
    endpoint.tickets.set(generation, ticket);
    const failure = await generation.prepare(endpoint.serving?.images ?? 0, ahead);
    if (failure === null && generation.state === 'prepared') return { ok: true };
    // The number may be another build's by now.
    if (endpoint.prepared.get(generation.number) === generation) await this.abandon(spec.id, generation.number);
    return { ok: false, ...(failure ?? { code: 'worker_failed', message: 'The generation was abandoned.' }) };
  }

  /** What was prepared under this number, if it is this build. */
  #preparedAs({ generation, artifactPath }: GenerationSpec, id: string): Generation | null {
    const prepared = this.#endpoints.get(id)?.prepared.get(generation);
    return prepared?.spec.artifactPath === artifactPath ? prepared : null;
  }

  /** Without waiting for anything: of calls that came together, each has had its effect before the next one is looked at. */
  #replacePrepared(spec: EndpointSpec, serving: GenerationSpec, ahead: boolean): Generation {
    void this.abandon(spec.id, serving.generation);
    const endpoint = this.#ensure(spec.id);
    const generation = this.#newGeneration(endpoint, spec, serving, ahead);
    endpoint.prepared.set(generation.number, generation);
    return generation;
  }

  /** Lets go of a prepared generation; resolves when its images are unmapped. One that is not prepared does no harm. */
  async abandon(id: string, number: number): Promise<void> {
    const endpoint = this.#endpoints.get(id);
    const generation = endpoint?.prepared.get(number);
    if (endpoint === undefined || generation === undefined) return;
    endpoint.prepared.delete(number);
    await generation.drain(0);
    this.#dropIfGone(endpoint);
  }

  /**
   * Makes one endpoint equal to `spec` (null: deleted) before it returns; doing so twice changes nothing, nor does a commit
   * that is older than one the flip page has told of. The answer is the message's, see ControlCalls.
   */
  commit(
    id: string,
    spec: EndpointSpec | null,
    version = 0,
  ): { readonly draining: number; readonly followed: boolean } {
    const endpoint = this.#ensure(id);
    const followed = isSame(endpoint.current(), spec?.serving ?? null);
    if (version >= endpoint.version) this.#apply(endpoint, spec, version);
    return { draining: endpoint.inFlightDraining, followed };
  }

  #apply(endpoint: Endpoint, spec: EndpointSpec | null, version: number): void {
    const { id, spec: before } = endpoint;
    endpoint.version = version;
    this.#specify(endpoint, spec);
    this.#flip(endpoint, before, spec);
    if (spec === null) for (const number of endpoint.prepared.keys()) void this.abandon(id, number);
    else for (const generation of endpoint.generations) generation.setLimits(this.#limits(spec));
    if (!sameRoute(before, spec)) this.#routesChanged();
    this.#dropIfGone(endpoint);
  }

  #specify(endpoint: Endpoint, spec: EndpointSpec | null): void {
    endpoint.spec = spec;
    endpoint.watch(this.#options.flipPage, spec?.flipPlace ?? null);
  }

  /** The flip page was turned: as much of the commit as can be known without its message. */
  #follow(endpoint: Endpoint, { ticket, version }: FlipTurn): void {
    const { spec } = endpoint;
    const prepared = [...endpoint.prepared.values()].find(generation => endpoint.tickets.get(generation) === ticket);
    if (prepared === undefined || spec === null || this.#ending || ticket === NO_TICKET) return;
    endpoint.version = version;
    this.#flip(endpoint, spec, { ...spec, serving: prepared.spec });
  }

  /** Drains everything, each generation within its endpoint's drain timeout; resolves when nothing is mapped. */
  async drainAll(): Promise<void> {
    this.#ending = true;
    const drains: Promise<void>[] = [];
    for (const endpoint of this.#endpoints.values()) {
      const { serving, spec } = endpoint;
      endpoint.serving = null;
      if (serving !== null) this.#drain(endpoint, serving, spec?.drainTimeoutMs ?? 0);
      drains.push(...[...endpoint.prepared.keys()].map(number => this.abandon(endpoint.id, number)));
      drains.push(...endpoint.draining.values());
    }
    await Promise.all(drains);
    this.#keeper.close();
  }

  #flip(endpoint: Endpoint, before: EndpointSpec | null, spec: EndpointSpec | null): void {
    // A process that ends still hears of deploys, so that it answers nothing old after them; it loads nothing any more.
    const wanted = this.#ending ? null : (spec?.serving ?? null);
    const old = endpoint.serving;
    // An endpoint that was deleted and created again counts anew: the same number may be another build's.
    if (old !== null && isSame(old, wanted)) {
      old.forgiveFailures();
      return;
    }
    endpoint.serving = spec === null || wanted === null ? null : this.#takeOver(endpoint, spec, wanted);
    const drainTimeoutMs = (spec ?? before)?.drainTimeoutMs ?? 0;
    if (old !== null) this.#drain(endpoint, old, drainTimeoutMs);
  }

  /** The prepared generation, or one that is woken at once because it was not prepared in this process. */
  #takeOver(endpoint: Endpoint, spec: EndpointSpec, wanted: GenerationSpec): Generation {
    const prepared = this.#preparedAs(wanted, endpoint.id);
    // One that was prepared ahead and not used leaves its number to another build.
    if (prepared === null) void this.abandon(endpoint.id, wanted.generation);
    const generation = prepared ?? this.#newGeneration(endpoint, spec, wanted);
    endpoint.prepared.delete(wanted.generation);
    generation.serve();
    // One that was prepared ahead may have given way meanwhile.
    if (generation.asleep) generation.wakeForDeploy();
    else generation.topUp(endpoint.serving?.images ?? 0);
    return generation;
  }

  #drain(endpoint: Endpoint, generation: Generation, timeoutMs: number): void {
    endpoint.draining.set(generation, this.#untilRetired(endpoint, generation, timeoutMs));
  }

  async #untilRetired(endpoint: Endpoint, generation: Generation, timeoutMs: number): Promise<void> {
    const report = await generation.drain(timeoutMs);
    endpoint.draining.delete(generation);
    this.#options.emit({ kind: 'retired', endpoint: endpoint.id, generation: generation.number, ...report });
    this.#dropIfGone(endpoint);
  }

  /** Faults are counted here: on the way to the supervisor some may be dropped. */
  #emit(event: GatewayEvent): void {
    if (event.kind === 'fault') this.#faults += 1;
    this.#options.emit(event);
  }

  #newGeneration(endpoint: Endpoint, spec: EndpointSpec, generation: GenerationSpec, ahead = false): Generation {
    const { counters, id } = endpoint;
    const limits = this.#limits(spec);
    const surroundings = this.#surroundings;
    return new Generation({ endpoint: id, spec: generation, limits, counters, surroundings, ahead });
  }

  #limits(spec: EndpointSpec): PoolLimits {
    const { queueMax, inFlightMax } = this.#options;
    return { timeoutMs: spec.timeoutMs, threadsMax: spec.threadsMax, queueMax, inFlightMax };
  }

  #ensure(id: string): Endpoint {
    let endpoint = this.#endpoints.get(id);
    if (endpoint === undefined) this.#endpoints.set(id, (endpoint = new Endpoint(id, this.#onTurned)));
    return endpoint;
  }

  #dropIfGone(endpoint: Endpoint): void {
    if (endpoint.gone && this.#endpoints.get(endpoint.id) === endpoint) this.#endpoints.delete(endpoint.id);
  }

  #routesChanged(): void {
    this.#options.routesChanged([...this.#endpoints.values()].filter(endpoint => endpoint.spec !== null));
  }
}

function isSame(generation: Generation | null, spec: GenerationSpec | null): boolean {
  return generation?.number === spec?.generation && generation?.spec.artifactPath === spec?.artifactPath;
}

function sameRoute(a: EndpointSpec | null, b: EndpointSpec | null): boolean {
  if (a === null || b === null) return a === b;
  return a.route.domain === b.route.domain && a.route.method === b.route.method && a.route.path === b.route.path;
}
