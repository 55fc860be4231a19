import type { Compiler } from '../build/compiler.ts';
import type { EventBus } from '../observe/events.ts';
import type { BuildRecord, EndpointChange, EndpointRecord, NewEndpoint, Store } from '../store/records.ts';
import { Ahead } from './ahead.ts';
import { Bakes } from './bakes.ts';
import { Builder } from './builder.ts';
import { CrashLoops } from './crash-loops.ts';
import type { DataPlane, DataPlaneListener } from './data-plane.ts';
import { Deployer, type Deployed } from './deployer.ts';
import { Drains } from './drains.ts';
import { concernsDataPlane, type EndpointDefaults } from './endpoint-spec.ts';
import { Journal } from './journal.ts';
import { LIKELY_NEXT_DEPTH, likelyNextBuild } from './likely-next.ts';
import { LateWrites } from './late-writes.ts';
import { Pruning } from './pruning.ts';
import { recover, type Recovery } from './recovery.ts';
import { Routing } from './routing.ts';
import { Turns } from './turns.ts';

export interface LifecycleOptions {
  readonly store: Store;
  readonly compiler: Compiler;
  readonly dataPlane: DataPlane;
  readonly events: EventBus;
  readonly defaults: EndpointDefaults;
  /** After a deploy, a generation that comes into a crash loop within this time is rolled back; 0: none is. */
  readonly bakeMs: number;
  readonly now?: () => number;
}

/** `bakeMs`: the setting applies when it is left out; 0: this deploy is never rolled back by itself. */
export interface BakeOptions {
  readonly bakeMs?: number | undefined;
}

/** Everything that can be done to an endpoint; whatever changes routing or serving takes turns per endpoint. */
export class Lifecycle {
  readonly #store: Store;
  readonly #compiler: Compiler;
  readonly #dataPlane: DataPlane;
  readonly #journal: Journal;
  readonly #bakeMs: number;
  readonly #bakes = new Bakes();
  readonly #turns = new Turns();
  readonly #builder: Builder;
  readonly #drains: Drains;
  readonly #routing: Routing;
  readonly #ahead: Ahead;
  readonly #deployer: Deployer;
  readonly #crashLoops: CrashLoops;
  readonly #pruning: Pruning;

  constructor(options: LifecycleOptions) {
    const { store, compiler, dataPlane, events, defaults, bakeMs, now = Date.now } = options;
    this.#store = store;
    this.#compiler = compiler;
    this.#dataPlane = dataPlane;
    this.#bakeMs = bakeMs;
    this.#journal = new Journal({ store, events, now });
    this.#builder = new Builder({ journal: this.#journal, compiler });
    const writes = new LateWrites(this.#journal);
    const onCrashLoop: DataPlaneListener['crashLooped'] = (endpoint, generation, crashes) =>
      void this.#crashLoops.report({ endpoint, generation, crashes });
    const onDeadly = (endpoint: string, generation: number): void => this.#routing.drop(endpoint, generation);
    this.#drains = new Drains({ journal: this.#journal, writes, onCrashLoop, onDeadly });
    const { ledger } = this.#drains;
    this.#routing = new Routing({ dataPlane, ledger, defaults });
    const onError = (error: unknown): void => events.publish({ type: 'failure', message: String(error) });
    this.#pruning = new Pruning({ store, compiler, onError });
    const parts = { journal: this.#journal, writes, routing: this.#routing, bakes: this.#bakes };
    this.#ahead = new Ahead({
      journal: this.#journal,
      compiler,
      dataPlane,
      routing: this.#routing,
    });
    const onDeployed = (id: string, before: number | null): void => this.#afterDeploy(id, before);
    this.#deployer = new Deployer({ ...parts, compiler, dataPlane, ledger, ahead: this.#ahead, onDeployed });
    this.#crashLoops = new CrashLoops({ ...parts, turns: this.#turns, deployer: this.#deployer });
  }

  /** Where gateway processes' reports go. */
  get listener(): DataPlaneListener {
    return this.#drains;
  }

  /** Brings the store into order after whatever ended the program last time; before the first gateway process starts. */
  async recover(): Promise<Recovery> {
    return recover({ journal: this.#journal, compiler: this.#compiler, routing: this.#routing });
  }

  /** Compiles again what an older version of the gateway compiled, and serves it; null: something else is deployed by now. */
  async rebuild(outdated: BuildRecord): Promise<Deployed | null> {
    const build = await this.#builder.rebuild(outdated);
    return this.#inTurn(build.endpointId, async () => {
      const { generation } = this.#journal.endpoint(build.endpointId);
      const deployed = generation === null ? null : this.#store.generation(build.endpointId, generation);
      if (deployed?.buildId !== outdated.id) return null;
      const options = { startedAt: performance.now(), bakeMs: 0, cause: 'rebuild' } as const;
      return this.#deployer.deployBuild(build.endpointId, () => build, options);
    });
  }

  async create(endpoint: NewEndpoint): Promise<EndpointRecord> {
    const record = this.#store.createEndpoint(endpoint, this.#journal.now());
    this.#journal.tellCreated(record);
    await this.#turns.take(record.id, async () => this.#routing.refresh(record));
    return record;
  }

  /** Route, name and limits act at once; code and dependencies with the next compile and deploy. */
  async change(id: string, change: EndpointChange): Promise<EndpointRecord> {
    return this.#inTurn(id, async () => {
      const record = this.#journal.changeEndpoint(id, change);
      if (concernsDataPlane(change)) await this.#routing.refresh(record);
      return record;
    });
  }

  /** @throws AdminError `endpoint_not_found`, `no_code` */
  requireCode(id: string): void {
    this.#builder.requireCode(id);
  }

  async compile(id: string): Promise<BuildRecord> {
    const build = await this.#builder.compile(id);
    this.#ahead.guess(build);
    this.#pruning.changed(id);
    return build;
  }

  async deploy(id: string, { bakeMs = this.#bakeMs }: BakeOptions = {}): Promise<Deployed> {
    const options = { startedAt: performance.now(), bakeMs };
    return this.#inTurn(id, async () => this.#deployer.deploy(id, options));
  }

  async rollback(id: string, generation?: number, { bakeMs = this.#bakeMs }: BakeOptions = {}): Promise<Deployed> {
    const options = { startedAt: performance.now(), bakeMs };
    return this.#inTurn(id, async () => this.#deployer.rollback(id, generation, options));
  }

  /** Refuses new requests at once; resolves when what ran is finished and unmapped everywhere. */
  async undeploy(id: string): Promise<EndpointRecord> {
    const asked = this.#journal.endpoint(id);
    await this.#inTurn(id, async () => this.#takeAway(id));
    await this.#drained(id);
    return this.#journal.same(asked);
  }

  /** As undeploy; then the endpoint, its history and its project folder are gone. */
  async remove(id: string): Promise<void> {
    await this.#inTurn(id, async () => {
      const record = this.#journal.endpoint(id);
      await this.#takeAway(id);
      await this.#routing.remove(id, null);
      await this.#drained(id);
      await this.#deleteFromStore(id);
      // Before anything is awaited: from now on another endpoint can have this id.
      this.#bakes.forget(id);
      this.#drains.forget(id);
      this.#journal.tellDeleted(record);
      await this.#compiler.removeProject(id);
    });
    this.#pruning.deleted();
  }

  /** An endpoint that cannot be deleted, because the disk is full, is still there: its route comes back. */
  async #deleteFromStore(id: string): Promise<void> {
    try {
      this.#store.deleteEndpoint(id);
    } catch (error) {
      await this.#routing.refresh(this.#journal.endpoint(id));
      throw error;
    }
  }

  /** @throws AdminError `endpoint_not_found` at once, `endpoint_deleted` when it went while the call waited */
  async #inTurn<T>(id: string, work: () => Promise<T>): Promise<T> {
    const asked = this.#journal.endpoint(id);
    return this.#turns.take(id, async () => {
      this.#journal.same(asked);
      return work();
    });
  }

  /** Once the deploy is answered: it has taken long enough. After one that replaced nothing there is nothing to guess. */
  #afterDeploy(id: string, before: number | null): void {
    this.#pruning.changed(id);
    if (before !== null) setImmediate(() => this.#guessNext(id));
  }

  #guessNext(id: string): void {
    try {
      const buildId = likelyNextBuild(this.#store.generations(id, LIKELY_NEXT_DEPTH));
      const build = buildId === null ? null : this.#store.build(buildId);
      if (build !== null) this.#ahead.guess(build);
    } catch (error) {
      this.#journal.publish({ type: 'failure', message: String(error) });
    }
  }

  async #takeAway(id: string): Promise<void> {
    this.#ahead.drop(id);
    const { generation } = this.#journal.endpoint(id);
    if (generation === null) return;
    const record = this.#journal.transaction(() => {
      this.#journal.moveGeneration(id, generation, 'superseded');
      return this.#journal.moveEndpoint(id, 'undeploying', { generation: null });
    });
    await this.#routing.swap(record, null, generation);
  }

  /** A process that never bound the generation has nothing to report, so each is asked what it holds. */
  async #drained(id: string): Promise<void> {
    void this.#dataPlane.figures();
    await this.#drains.ledger.ended(id);
  }
}
