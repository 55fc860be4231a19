import type { Committed, DataPlane, DataPlaneListener, ProcessId } from '../../../src/lifecycle/data-plane.ts';
import type { EndpointSpec, GatewayEvent, PrepareOutcome, ProcessFigures } from '../../../src/protocol/control.ts';
import type { GenerationBindFailure } from '../../../src/serving/deployment.ts';
import { DesiredState, type Change } from '../../../src/supervisor/fleet/desired-state.ts';
import { FlipPage } from '../../../src/supervisor/fleet/flip-page.ts';
import { SimulatedProcess, type Handlers } from './process.ts';

const SERVING = 2;
const SPARES = 1;
const PREPARED: PrepareOutcome = { ok: true };

/** The gateway processes of a run: as many serve and are spares as should, but for the time it takes to start one. */
export class SimulatedFleet implements DataPlane {
  listener: DataPlaneListener | null = null;
  readonly processes: SimulatedProcess[] = [];
  /** What went wrong in the order of calls. */
  readonly violations: string[] = [];
  readonly #state = new DesiredState();
  readonly #flipWords = new Int32Array(64);
  readonly #flipPage = new FlipPage(this.#flipWords);
  readonly #preparing = new Set<string>();
  #handlers: Handlers | null = null;
  #started = 0;
  #serves = Promise.withResolvers<void>();

  /** Starts the processes. */
  start(handlers: Handlers): void {
    this.#handlers = handlers;
    this.#act();
  }

  /** Starts what is missing and promotes what is ready; called after everything that may change it. */
  #act(): void {
    while (this.#inState('serving').length < SERVING) {
      const [spare] = this.#inState('spare');
      if (spare === undefined) break;
      void this.#promote(spare);
    }
    const missing = SERVING + SPARES - this.#inState('serving', 'spare', 'starting').length;
    for (let started = 0; started < missing; started += 1) void this.#bringUp();
  }

  kill(process: SimulatedProcess): void {
    process.state = 'lost';
    process.die(() => this.#ended(process));
    this.#act();
  }

  holders(): readonly ProcessId[] {
    return this.#holders().map(({ pid }) => pid);
  }

  async prepare(spec: EndpointSpec, ahead = false): Promise<PrepareOutcome> {
    const ticket = this.#flipPage.ticket(spec);
    if (ahead) return this.#guess(spec, ticket);
    if (this.#preparing.has(spec.id)) this.violations.push(`${spec.id} is prepared twice at once`);
    this.#preparing.add(spec.id);
    try {
      for (;;) {
        while (this.#inState('serving').length === 0) await this.#serves.promise;
        const calls = this.#inState('serving').map(async process =>
          process.preparedAhead.has(spec) ? PREPARED : process.call(() => process.deployment.prepare(spec, { ticket })),
        );
        const outcomes = (await Promise.all(calls)).filter(outcome => outcome !== null);
        const failure = outcomes.find(outcome => !outcome.ok);
        if (failure !== undefined) return failure;
        if (outcomes.length > 0) return { ok: true };
      }
    } finally {
      this.#preparing.delete(spec.id);
    }
  }

  hasPrepared(spec: EndpointSpec): boolean {
    const serving = this.#inState('serving');
    return serving.length > 0 && serving.every(process => process.preparedAhead.has(spec));
  }

  async #guess(spec: EndpointSpec, ticket: number): Promise<PrepareOutcome> {
    const guess = async (process: SimulatedProcess): Promise<PrepareOutcome | null> => {
      const answered = process.preparedAhead.ask(spec);
      const outcome = await process.call(() => process.deployment.prepare(spec, { ahead: true, ticket }));
      answered(outcome?.ok === true);
      return outcome;
    };
    const outcomes = await Promise.all(this.#inState('serving').map(guess));
    return outcomes.find(outcome => outcome?.ok === false) ?? { ok: true };
  }

  async abandon(endpoint: string, generation: number): Promise<void> {
    const abandon = (process: SimulatedProcess) => {
      process.preparedAhead.abandoned(endpoint, generation);
      return process.call(async () => {
        await process.deployment.abandon(endpoint, generation);
        return true;
      });
    };
    await Promise.all(this.#holders().map(abandon));
  }

  async commit(id: string, endpoint: EndpointSpec | null): Promise<Committed> {
    const change = this.#state.set(id, endpoint, this.#flipPage.place(id));
    this.#flipPage.turn(change);
    const draining = await Promise.all(this.#holders().map(process => this.#commitTo(process, change)));
    for (const spare of this.#inState('spare')) void this.#catchUp(spare);
    return { requestsLeft: draining.reduce<number>((sum, requests) => sum + (requests ?? 0), 0), flippedAt: 0 };
  }

  async figures(): Promise<readonly ProcessFigures[]> {
    const polls = this.#holders().map(async process => {
      const fresh = await process.call(() => process.currentFigures());
      if (fresh === null) return;
      process.figures = fresh;
      this.listener?.polled(process.pid, fresh);
    });
    await Promise.all(polls);
    return this.#holders().flatMap(({ figures }) => figures ?? []);
  }

  #inState(...states: readonly SimulatedProcess['state'][]): SimulatedProcess[] {
    return this.processes.filter(({ state }) => states.includes(state));
  }

  #holders(): SimulatedProcess[] {
    return this.processes.filter(({ hasServed }) => hasServed);
  }

  async #bringUp(): Promise<void> {
    if (this.#handlers === null) return;
    this.#started += 1;
    const process: SimulatedProcess = new SimulatedProcess(this.#started, this.#handlers, this.#flipWords, event =>
      this.#receive(process, event),
    );
    this.processes.push(process);
    const endpoints = this.#state.endpoints();
    process.sentVersion = this.#state.version;
    await process.call(async (): Promise<readonly GenerationBindFailure[]> => {
      process.deployment.load(endpoints);
      return process.deployment.bindAll(process.factory, 4);
    });
    while (process.sentVersion < this.#state.version) await this.#catchUp(process);
    if (process.state !== 'starting') return;
    process.state = 'spare';
    this.#act();
  }

  async #promote(process: SimulatedProcess): Promise<void> {
    process.state = 'serving';
    void this.#catchUp(process);
    process.hasServed = true;
    const isUp = await process.call(() => {
      process.accepts = true;
      process.deployment.open([]);
      return true;
    });
    if (isUp === null) return;
    this.listener?.started(this.#state.endpoints(), []);
    this.#serves.resolve();
    this.#serves = Promise.withResolvers();
    this.#act();
  }

  /** Tells everything that the process has not been told yet, before this returns its promise. */
  async #catchUp(process: SimulatedProcess): Promise<void> {
    const changes = this.#state.since(process.sentVersion);
    await Promise.all(changes.map(change => this.#commitTo(process, change)));
  }

  #commitTo(process: SimulatedProcess, { id, endpoint, version }: Change): Promise<number | null> {
    process.sentVersion = Math.max(process.sentVersion, version);
    process.preparedAhead.committed(id);
    return process.call(() => process.deployment.commit(id, endpoint, version).draining);
  }

  #receive(process: SimulatedProcess, event: GatewayEvent): void {
    process.preparedAhead.note(event);
    if (event.kind === 'retired') process.forgetGeneration(event.endpoint, event.generation);
    if (event.kind === 'retired' && process.hasServed) this.listener?.retired(process.pid, event);
    if (event.kind === 'endpoint_failed' && process.hasServed) {
      this.listener?.endpointFailed(event.endpoint, event.generation, event);
    }
    if (event.kind === 'replace_me') this.violations.push(`a process is to be replaced: ${event.message}`);
  }

  #ended(process: SimulatedProcess): void {
    this.processes.splice(this.processes.indexOf(process), 1);
    const { pid, figures, hasServed } = process;
    if (hasServed) this.listener?.gone(pid, { clean: false, figures });
    this.#act();
  }
}
