import { AdminError } from '../../../src/errors.ts';
import type { RequestParts } from '../../../src/protocol/frame.ts';
import type { Outcome } from '../../../src/pool/handler-pool.ts';
import { replyWith, type ManualPool } from '../../serving/manual-pool.ts';
import { settled } from '../../serving/manual-clock.ts';
import { ControlPlane } from '../../support/control-plane.ts';
import { SimulatedFleet } from './fleet.ts';
import { EndpointModel, labelOf, type CallEnd, type CallKind, type Deployed } from './model.ts';
import type { Handlers, SimulatedProcess } from './process.ts';
import { judgeRequest, type AskedRequest } from './requests.ts';

export const ENDPOINTS = ['a', 'b', 'c'] as const;

/** Something that takes time, and is over when the run says so. */
interface Gate {
  readonly endpoint: string;
  readonly open: () => void;
}

/** A request whose handler runs. */
interface Running {
  readonly endpoint: string;
  readonly process: SimulatedProcess;
  readonly settle: (outcome: Outcome) => void;
}

const CODE_OF_ARTIFACT = /^\/artifacts\/(.*)\.so$/;

/** The real control plane and real serving, with everything that takes time held back; and the models beside them. */
export class World implements Handlers, AsyncDisposable {
  readonly plane: ControlPlane<SimulatedFleet>;
  readonly fleet: SimulatedFleet;
  /** Compilations, removals of project folders and binds under way. */
  readonly gates: Gate[] = [];
  readonly running: Running[] = [];
  readonly #models = new Map<string, EndpointModel>(ENDPOINTS.map(id => [id, new EndpointModel(id)]));
  readonly #violations: string[] = [];
  /** Endpoints of the calls that have no end yet. */
  readonly #pending: string[] = [];
  readonly #asked: AskedRequest[] = [];
  #now = 0;
  #codes = 0;

  private constructor(plane: ControlPlane<SimulatedFleet>) {
    this.plane = plane;
    this.fleet = plane.dataPlane;
    const { compiler } = plane;
    compiler.beforeCompile = async () => this.#gate(compiler.inputs.at(-1)?.endpointId ?? '');
    compiler.removeProject = async id => this.#gate(id);
    plane.events.subscribe(event => {
      if (event.type === 'endpoint' && event.change === 'deleted') this.model(event.endpoint).deleted(this.#now);
    });
    this.fleet.start(this);
  }

  static async open(): Promise<World> {
    const world = new World(await ControlPlane.over(new SimulatedFleet()));
    await world.deliverAll();
    return world;
  }

  /** Everything that has gone wrong so far. */
  get violations(): readonly string[] {
    const models = [...this.#models.values()].flatMap(({ violations }) => violations);
    const failures = this.plane.seen.flatMap(event => (event.type === 'failure' ? [event.message] : []));
    return [...this.#violations, ...models, ...this.fleet.violations, ...failures];
  }

  get pending(): readonly string[] {
    return this.#pending;
  }

  model(id: string): EndpointModel {
    const model = this.#models.get(id);
    if (model === undefined) throw new Error(`There is no endpoint ${id}.`);
    return model;
  }

  /** Begins a step; whatever it does is over when nothing moves by itself any more. */
  async step(action: () => void): Promise<void> {
    this.#now += 1;
    action();
    await settled();
  }

  create(id: string): void {
    const model = this.model(id);
    const mayCreate = !model.exists;
    if (mayCreate) model.created(this.#now);
    // Its id is taken too, but the store looks at the route first.
    const expected = mayCreate ? null : 'route_taken';
    void this.#watch(id, this.plane.create(id, { code: this.#newCode('') })).then(({ error }) => {
      if (error !== expected) this.#violations.push(`create of ${id} ended with ${error}, expected was ${expected}`);
    });
  }

  /** Saves other code, which may be `bad` or `half`, or another limit. */
  save(id: string, what: 'good' | 'bad' | 'half' | 'limit'): void {
    const change = what === 'limit' ? { threads: 1 + (this.#now % 4) } : { code: this.#newCode(what) };
    this.#call(id, 'save', async () => {
      await this.plane.lifecycle.change(id, change);
      return null;
    });
  }

  compile(id: string): void {
    const model = this.model(id);
    const { exists, life } = model;
    const code = this.plane.store.endpoint(id)?.code ?? '';
    void this.#watch(id, this.plane.lifecycle.compile(id)).then(({ error, value }) => {
      const isGone = model.isGone(life);
      const expected = !exists ? 'endpoint_not_found' : isGone ? 'endpoint_deleted' : null;
      if (error === null && isGone && model.wentAt(this.#now)) return;
      if (error !== expected) this.#violations.push(`compile of ${id} ended with ${error}, expected was ${expected}`);
      if (error === null && value?.code !== code) this.#violations.push(`compile of ${id} built ${value?.code}`);
      if (error === null) model.compiled(code, this.#now);
    });
  }

  deploy(id: string): void {
    this.#call(id, 'deploy', async () => this.#deployed(id, (await this.plane.lifecycle.deploy(id)).generation));
  }

  rollback(id: string): void {
    this.#call(id, 'rollback', async () => this.#deployed(id, (await this.plane.lifecycle.rollback(id)).generation));
  }

  undeploy(id: string): void {
    this.#call(id, 'undeploy', async () => {
      await this.plane.lifecycle.undeploy(id);
      return null;
    });
  }

  remove(id: string): void {
    this.#call(id, 'remove', async () => {
      await this.plane.lifecycle.remove(id);
      return null;
    });
  }

  /** A request to one of the processes that take any. */
  ask(id: string, choice: number): void {
    const process = pick(
      this.fleet.processes.filter(({ accepts }) => accepts),
      choice,
    );
    if (process === undefined) return;
    const { clock, deployment } = process;
    const asked: AskedRequest = {
      endpoint: id,
      process,
      sentAt: this.#now,
      sentAtMs: clock.nowMs(),
      label: null,
      ends: [],
    };
    const end = (outcome: Outcome | null): void =>
      void asked.ends.push({ outcome, at: this.#now, atMs: clock.nowMs() });
    const parts = { ...PARTS, requestId: String(this.#asked.length) };
    this.#asked.push(asked);
    const endpoint = [...deployment.endpoints].find(one => one.id === id);
    const isRouted = endpoint !== undefined && endpoint.spec !== null;
    const invocation = isRouted ? endpoint.current()?.invoke(parts, end) : null;
    if (invocation === null || invocation === undefined) end(null);
  }

  handle(process: SimulatedProcess, parts: RequestParts, settle: (outcome: Outcome) => void, pool: ManualPool): void {
    const asked = this.#asked[Number(parts.requestId)];
    if (asked === undefined) throw new Error('A handler was called with a request that nobody sent.');
    const { artifactPath, generation, endpoint } = pool.spec;
    if (asked.label !== null) this.#violations.push(`request ${parts.requestId} to ${endpoint} ran twice`);
    asked.label = labelOf({ code: CODE_OF_ARTIFACT.exec(artifactPath)?.[1] ?? '', generation });
    this.running.push({ endpoint, process, settle });
  }

  async beforeBind(pool: ManualPool): Promise<void> {
    await this.#gate(pool.spec.endpoint);
  }

  /** A handler answers or panics. */
  answer(choice: number, doesPanic: boolean): void {
    const running = pick(this.running, choice);
    if (running === undefined) return;
    this.running.splice(this.running.indexOf(running), 1);
    running.settle(doesPanic ? { kind: 'failure', code: 'handler_panicked' } : replyWith('done'));
  }

  /** The first of what an endpoint waits for is over. */
  openGate(choice: number): void {
    const chosen = pick(this.gates, choice);
    const first = this.gates.find(({ endpoint }) => endpoint === chosen?.endpoint);
    if (first === undefined) return;
    this.gates.splice(this.gates.indexOf(first), 1);
    first.open();
  }

  /** One message arrives. */
  deliver(choice: number): void {
    pick(this.#channels(), choice)?.shift()?.();
  }

  kill(choice: number): void {
    const process = pick(
      this.fleet.processes.filter(({ alive }) => alive),
      choice,
    );
    if (process === undefined) return;
    this.fleet.kill(process);
    const own = this.running.filter(running => running.process === process);
    for (const running of own) this.running.splice(this.running.indexOf(running), 1);
  }

  /** Time passes for one process. */
  async advance(choice: number, ms: number): Promise<void> {
    this.#now += 1;
    await pick(this.fleet.processes, choice)?.clock.advance(ms);
    await settled();
  }

  /** Delivers messages until there are no more. */
  async deliverAll(): Promise<void> {
    while (this.#channels().length > 0) {
      await this.step(() => {
        for (const channel of this.#channels()) channel.shift()?.();
      });
    }
  }

  /** Lets everything happen that these endpoints wait for, until nothing is left of it. */
  async quiesce(endpoints: readonly string[]): Promise<void> {
    const isOne = ({ endpoint }: { readonly endpoint: string }): boolean => endpoints.includes(endpoint);
    for (;;) {
      await this.deliverAll();
      const gate = this.gates.findIndex(isOne);
      const running = this.running.findIndex(isOne);
      if (gate === -1 && running === -1) return;
      await this.step(() => {
        if (gate !== -1) this.openGate(gate);
        if (running !== -1) this.answer(running, false);
      });
    }
  }

  /** What is wrong with how requests have ended; when all calls have. */
  judgeRequests(): readonly string[] {
    return this.#asked.flatMap(asked => judgeRequest(asked, this.model(asked.endpoint)) ?? []);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.plane[Symbol.asyncDispose]();
  }

  #channels(): (() => void)[][] {
    return this.fleet.processes.flatMap(({ inbox, outbox }) => [inbox, outbox]).filter(({ length }) => length > 0);
  }

  #gate(endpoint: string): Promise<void> {
    return new Promise(open => {
      this.gates.push({ endpoint, open });
    });
  }

  #call(id: string, kind: CallKind, work: () => Promise<Deployed | null>): void {
    const model = this.model(id);
    const call = model.begin(kind, this.#now);
    void this.#watch(id, work()).then(({ error, value }) => {
      const end: CallEnd = { error, deployed: value ?? null };
      model.end(call, end, this.#now);
    });
  }

  async #watch<T>(id: string, work: Promise<T>): Promise<{ error: string | null; value?: T }> {
    this.#pending.push(id);
    try {
      return { error: null, value: await work };
    } catch (error) {
      return { error: error instanceof AdminError ? error.code : String(error) };
    } finally {
      this.#pending.splice(this.#pending.indexOf(id), 1);
    }
  }

  #deployed(id: string, generation: number): Deployed {
    const { store } = this.plane;
    const record = store.generation(id, generation);
    return { generation, code: store.build(record?.buildId ?? '')?.code ?? '' };
  }

  #newCode(kind: string): string {
    this.#codes += 1;
    return `${kind}${this.#codes}`;
  }
}

const pick = <T>(choices: readonly T[], choice: number): T | undefined => choices[choice % choices.length];

const PARTS: RequestParts = {
  method: 'GET',
  path: '/',
  query: '',
  requestId: '',
  clientIp: '127.0.0.1',
  rawHeaders: [],
  params: [],
  body: null,
};
