/** A control plane without gateway processes and without cargo: the real store and lifecycle, the rest scripted. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Compiler, CompileInput } from '../../src/build/compiler.ts';
import { AdminError } from '../../src/errors.ts';
import type { Committed, DataPlane, DataPlaneListener, ProcessId } from '../../src/lifecycle/data-plane.ts';
import { lastErrorOf } from '../../src/lifecycle/states/endpoint-state.ts';
import { Lifecycle } from '../../src/lifecycle/lifecycle.ts';
import { EventBus, type TimedEvent } from '../../src/observe/events.ts';
import { NO_FIGURES } from '../../src/observe/figures.ts';
import type { EndpointSpec, PrepareOutcome, ProcessFigures } from '../../src/protocol/control.ts';
import { ABI_VERSION } from '../../src/protocol/guard.ts';
import type { BuildRecord, LastError, NewEndpoint, Store } from '../../src/store/records.ts';
import { openStore } from '../../src/store/sqlite-store.ts';

const named = ({ id, serving }: EndpointSpec): string => `${id} ${serving?.generation} ${serving?.artifactPath}`;

/** Two gateway processes that do at once what they are told, unless a test says otherwise. */
export class FakeDataPlane implements DataPlane {
  readonly calls: string[] = [];
  readonly routed = new Map<string, EndpointSpec>();
  processes: ProcessId[] = [101, 102];
  listener: DataPlaneListener | null = null;
  /** Answers of the next prepares; when empty they succeed. */
  prepareOutcomes: PrepareOutcome[] = [];
  /** Requests in flight in older generations that the next commits report. */
  requestsLeft = 0;
  /** Whether processes retire what they are told to let go of by themselves. */
  retiresAtOnce = true;
  /** Whether builds can be prepared ahead of their deploy. */
  hasThreadsToSpare = false;
  /** What was asked of it ahead of a deploy and refused: its abandoning is no news. */
  #refusedAhead: string | null = null;
  /** What was prepared ahead last; null: nothing, or it has given way. */
  preparedAhead: string | null = null;
  beforePrepare: (endpoint: EndpointSpec, ahead: boolean) => Promise<void> = async () => {};
  readonly #held = new Map<ProcessId, Set<string>>();

  holders(): readonly ProcessId[] {
    return this.processes;
  }

  async prepare(endpoint: EndpointSpec, ahead = false): Promise<PrepareOutcome> {
    if (ahead && !this.hasThreadsToSpare) {
      this.#refusedAhead = `${endpoint.id} ${endpoint.serving?.generation}`;
      return { ok: false, code: 'no_threads', message: 'none to spare' };
    }
    this.calls.push(`prepare${ahead ? ' ahead' : ''} ${endpoint.id} ${endpoint.serving?.generation}`);
    await this.beforePrepare(endpoint, ahead);
    const outcome = this.prepareOutcomes.shift() ?? { ok: true };
    if (ahead && outcome.ok) this.preparedAhead = named(endpoint);
    return outcome;
  }

  /** As far as is known: a generation that was prepared ahead may have given way all the same. */
  hasPrepared(endpoint: EndpointSpec): boolean {
    return this.preparedAhead === named(endpoint);
  }

  async abandon(endpoint: string, generation: number): Promise<void> {
    if (this.#refusedAhead !== `${endpoint} ${generation}`) this.calls.push(`abandon ${endpoint} ${generation}`);
    this.#refusedAhead = null;
  }

  async commit(id: string, endpoint: EndpointSpec | null): Promise<Committed> {
    const before = this.routed.get(id)?.serving?.generation;
    this.calls.push(`commit ${id} ${endpoint?.serving?.generation ?? (endpoint === null ? 'deleted' : 'none')}`);
    if (endpoint === null) this.routed.delete(id);
    else this.routed.set(id, endpoint);
    if (before !== undefined && before !== endpoint?.serving?.generation) {
      for (const process of this.processes) this.#heldBy(process).add(`${id}#${before}`);
      if (this.retiresAtOnce) queueMicrotask(() => this.retire(id, before));
    }
    await Promise.resolve();
    return { requestsLeft: this.requestsLeft, flippedAt: performance.now() };
  }

  async figures(): Promise<readonly ProcessFigures[]> {
    return this.processes.map(process => {
      const figures = this.#figuresOf(process);
      this.listener?.polled(process, figures);
      return figures;
    });
  }

  retire(
    endpoint: string,
    generation: number,
    report: { outcome?: 'drained' | 'forced'; requests?: number; processes?: ProcessId[] } = {},
  ): void {
    const { outcome = 'drained', requests = 0, processes = this.processes } = report;
    for (const process of processes) {
      this.#heldBy(process).delete(`${endpoint}#${generation}`);
      this.listener?.retired(process, { endpoint, generation, outcome, requests });
    }
  }

  die(process: ProcessId, clean: boolean): void {
    const figures = this.#figuresOf(process);
    this.processes = this.processes.filter(other => other !== process);
    this.listener?.gone(process, { clean, figures });
  }

  #heldBy(process: ProcessId): Set<string> {
    const held = this.#held.get(process) ?? new Set();
    this.#held.set(process, held);
    return held;
  }

  #figuresOf(process: ProcessId): ProcessFigures {
    const generations = [...this.#heldBy(process)].map(key => {
      const [endpoint = '', generation] = key.split('#');
      const state = 'draining' as const;
      return {
        endpoint,
        generation: Number(generation),
        state,
        inFlight: 1,
        requests: 5,
        images: 1,
        crashes: 0,
        memoryBytes: 0,
        memoryLimitBytes: 0,
        asleep: false,
      };
    });
    return { ...NO_FIGURES, generations };
  }
}

/** Builds whatever it is given, at once; the code decides: `fail` does not compile. */
export class FakeCompiler implements Compiler {
  readonly inputs: CompileInput[] = [];
  readonly removed: string[] = [];
  readonly missing = new Set<string>();
  beforeCompile: () => Promise<void> = async () => {};
  kept: ReadonlySet<string> = new Set();
  #builds = 0;

  async compile(input: CompileInput): Promise<BuildRecord> {
    this.inputs.push(input);
    await this.beforeCompile();
    if (input.code.includes('fail')) throw new AdminError('compile_failed', 'error: it fails', { details: [] });
    this.#builds += 1;
    return buildOf(input, `build-${this.#builds}`);
  }

  async artifactPath(digest: string): Promise<string | null> {
    return this.missing.has(digest) ? null : `/artifacts/${digest}.so`;
  }

  async symbols(): Promise<null> {
    return null;
  }

  async guardPath(): Promise<string> {
    return '/guard.so';
  }

  async prime(): Promise<void> {}

  async collectGarbage(kept: ReadonlySet<string>): Promise<void> {
    this.kept = kept;
  }

  async removeProject(endpointId: string): Promise<void> {
    this.removed.push(endpointId);
  }

  async close(): Promise<void> {}
}

/** The digest is the code itself, so that tests can say which code serves. */
export function buildOf(input: CompileInput, id: string, abi: number = ABI_VERSION): BuildRecord {
  const { endpointId, code, dependencies } = input;
  const times = { durationMs: 12, finishedAt: 1_700_000_000_000 };
  return { id, endpointId, key: code, digest: code, abi, ...times, cached: false, warnings: [], code, dependencies };
}

/** A data plane that tells the control plane what its processes report. */
export type ReportingDataPlane = DataPlane & { listener: DataPlaneListener | null };

export class ControlPlane<D extends ReportingDataPlane = FakeDataPlane> {
  readonly store: Store;
  readonly dataPlane: D;
  readonly compiler = new FakeCompiler();
  readonly events = new EventBus();
  readonly seen: TimedEvent[] = [];
  readonly lifecycle: Lifecycle;
  readonly dataDir: string;

  private constructor(dataDir: string, dataPlane: D, now?: () => number) {
    this.dataDir = dataDir;
    this.dataPlane = dataPlane;
    this.store = openStore(dataDir);
    this.events.subscribe(event => this.seen.push(event));
    this.lifecycle = new Lifecycle({
      store: this.store,
      compiler: this.compiler,
      dataPlane: this.dataPlane,
      events: this.events,
      bakeMs: 60_000,
      defaults: { timeoutMs: 30_000, drainTimeoutMs: 30_000, threadsMax: 2 },
      ...(now === undefined ? {} : { now }),
    });
    this.dataPlane.listener = this.lifecycle.listener;
  }

  static async open(dataDir?: string): Promise<ControlPlane> {
    return new ControlPlane(dataDir ?? (await mkdtemp(join(tmpdir(), 'control-plane-'))), new FakeDataPlane());
  }

  /** On a fresh store, with another data plane than the scripted one and a clock that never shows a time twice. */
  static async over<D extends ReportingDataPlane>(dataPlane: D): Promise<ControlPlane<D>> {
    let now = 0;
    return new ControlPlane(await mkdtemp(join(tmpdir(), 'control-plane-')), dataPlane, () => (now += 1));
  }

  async create(id: string, change: Partial<NewEndpoint> = {}): Promise<void> {
    const plain = { name: id, domain: '*', path: `/${id}`, method: 'GET', description: '', dependencies: {} };
    const limits = { timeoutMs: null, drainTimeoutMs: null, threads: null };
    await this.lifecycle.create({ id, code: 'one', ...plain, ...limits, ...change });
  }

  /** Saves, compiles and deploys; gives the generation. */
  async deploy(id: string, code: string): Promise<number> {
    await this.lifecycle.change(id, { code });
    await this.lifecycle.compile(id);
    return (await this.lifecycle.deploy(id)).generation;
  }

  state(id: string): string | undefined {
    return this.store.endpoint(id)?.state;
  }

  lastError(id: string): LastError | null | undefined {
    const endpoint = this.store.endpoint(id);
    return endpoint === null ? undefined : lastErrorOf(endpoint);
  }

  /** States of its generations, oldest first. */
  generations(id: string): string[] {
    return this.store
      .generations(id)
      .toReversed()
      .map(({ state, outcome }) => (outcome === null ? state : `${state} (${outcome})`));
  }

  /** The code that new requests reach. */
  served(this: ControlPlane, id: string): string | undefined {
    return this.dataPlane.routed.get(id)?.serving?.artifactPath.replace(/^\/artifacts\/(.*)\.so$/, '$1');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.store.close();
    await rm(this.dataDir, { recursive: true, force: true });
  }
}
