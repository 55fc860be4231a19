import { AdminError } from '../errors.ts';
import type { Compiler } from '../build/compiler.ts';
import type { EndpointSpec, GenerationSpec } from '../protocol/control.ts';
import type { BuildRecord, EndpointRecord, EndpointState, GenerationCause, LastError } from '../store/records.ts';
import type { Ahead } from './ahead.ts';
import type { Bakes } from './bakes.ts';
import type { DataPlane } from './data-plane.ts';
import type { DrainLedger } from './drain-ledger.ts';
import { nextEndpointState, type EndpointEvent } from './states/endpoint-state.ts';
import type { Journal } from './journal.ts';
import type { LateWrites } from './late-writes.ts';
import { buildServedBefore } from './rollback-target.ts';
import type { Routing } from './routing.ts';

export interface Deployed {
  readonly state: EndpointState;
  readonly generation: number;
  /** From the call to every gateway process having flipped, the store's write included. */
  readonly swapMs: number;
  /** The part of it until the new images were bound and probed in every gateway process. */
  readonly loadMs: number;
}

export interface DeployOptions {
  /** When the call came, on the clock of `performance.now()`. */
  readonly startedAt: number;
  /** How long the new generation bakes; 0: not at all. */
  readonly bakeMs: number;
}

export interface SwapOptions extends DeployOptions {
  readonly cause: GenerationCause;
  /** Why the new generation serves in place of another, for the endpoint to show; default: because it was asked for. */
  readonly servingError?: (generation: number) => LastError;
}

export interface DeployerParts {
  readonly journal: Journal;
  readonly writes: LateWrites;
  readonly compiler: Pick<Compiler, 'artifactPath'>;
  readonly dataPlane: DataPlane;
  readonly routing: Routing;
  readonly ledger: DrainLedger;
  readonly bakes: Bakes;
  readonly ahead: Ahead;
  /** `before`: the generation that a rollback would go back to; null: none. Builds may be out of reach of all from now on. */
  readonly onDeployed: (id: string, before: number | null) => void;
}

/** What the store says from the commit point on; nothing is routed to it yet. */
interface Committed {
  readonly record: EndpointRecord;
  /** The generation that should have served until then; null: there was none. */
  readonly superseded: number | null;
  /** The generation that did serve until then; null: none did. */
  readonly servedBefore: number | null;
}

interface Swap extends Committed {
  readonly serving: GenerationSpec;
  readonly loadMs: number;
  /** Publishes the events of the commit point, if that has not been done. */
  readonly tell: () => void;
}

/** Generations a rollback looks back over: the build is nearly always among the first, and never past the last. */
const ROLLBACK_DEPTHS = [4, 1_000] as const;

/**
 * Swaps generations: prepare everywhere, write to the store (the commit point), flip everywhere. Whatever fails before
 * the write leaves everything as it was, and after it nothing can fail. Callers take turns per endpoint.
 */
export class Deployer {
  readonly #parts: DeployerParts;

  constructor(parts: DeployerParts) {
    this.#parts = parts;
  }

  /** @throws AdminError `endpoint_not_found`, `not_compiled`, `load_failed`, `toolchain_missing`, `storage_failed` */
  async deploy(id: string, options: DeployOptions): Promise<Deployed> {
    return this.deployBuild(id, () => this.#latestBuild(id), { ...options, cause: 'deploy' });
  }

  /** `generation`: the one to go back to; undefined: whatever served immediately before. */
  async rollback(id: string, generation: number | undefined, options: DeployOptions): Promise<Deployed> {
    const { journal } = this.#parts;
    const find = (): BuildRecord =>
      generation === undefined ? this.#buildBefore(journal.endpoint(id)) : this.buildOf(id, generation);
    return this.deployBuild(id, find, { ...options, cause: 'rollback' });
  }

  /** `find` is asked again after every wait: what it finds has to be there when the generation is made of it. */
  async deployBuild(id: string, find: () => BuildRecord, options: SwapOptions): Promise<Deployed> {
    const { journal, routing, bakes, ahead } = this.#parts;
    const { startedAt, cause, bakeMs } = options;
    let build = find();
    for (let guess = ahead.underWay(id, build); guess !== null; guess = ahead.underWay(id, build)) {
      await guess;
      build = find();
    }
    const { serving, loadMs, record, superseded, servedBefore, tell } = await this.#loadAndCommit(id, build, options);
    const { generation } = serving;
    bakes.begin(id, { generation, before: servedBefore, bakeMs }, performance.now());
    const flipped = routing.swap(record, serving, superseded);
    // The processes are on it by now.
    tell();
    const { requestsLeft, flippedAt } = await flipped;
    const swapMs = flippedAt - startedAt;
    const state = this.#settle(record, requestsLeft);
    journal.publish({ type: 'swap', endpoint: id, generation, cause, swapMs, loadMs });
    this.#parts.onDeployed(id, servedBefore);
    return { state, generation, swapMs, loadMs };
  }

  /** @throws AdminError `generation_not_found`, also when its build is no longer kept */
  buildOf(id: string, generation: number): BuildRecord {
    const { store } = this.#parts.journal;
    const record = store.generation(id, generation);
    const build = record === null ? null : store.build(record.buildId);
    if (build === null) throw new AdminError('generation_not_found');
    return build;
  }

  async #loadAndCommit(id: string, build: BuildRecord, options: SwapOptions): Promise<Swap> {
    const { journal, ahead } = this.#parts;
    const knownPath = ahead.take(id, build);
    const generation = journal.store.nextGeneration(id);
    try {
      const known = knownPath === null ? null : { generation, artifactPath: knownPath };
      const committed = this.#commitPrepared(id, build, known, options);
      return committed ?? (await this.#prepareAndCommit(id, build, knownPath, options));
    } catch (error) {
      await this.#giveUp(id, generation, error);
      throw error;
    }
  }

  /** What is loaded everywhere already needs one write to the store, and no wait; null: it is not. */
  #commitPrepared(id: string, build: BuildRecord, serving: GenerationSpec | null, options: SwapOptions): Swap | null {
    const { journal, routing, dataPlane } = this.#parts;
    if (serving === null || !dataPlane.hasPrepared(routing.spec(journal.endpoint(id), serving))) return null;
    const loadMs = performance.now() - options.startedAt;
    const { result, tell } = journal.heldTransaction(() => {
      journal.addGeneration(id, build.id, options.cause);
      return this.#commitPoint(id, serving.generation, options);
    });
    return { serving, loadMs, tell, ...result };
  }

  async #prepareAndCommit(id: string, build: BuildRecord, path: string | null, options: SwapOptions): Promise<Swap> {
    const { journal, routing } = this.#parts;
    const { generation } = journal.addGeneration(id, build.id, options.cause);
    const serving: GenerationSpec = { generation, artifactPath: path ?? (await this.#artifactPath(build)) };
    await this.#prepare(routing.spec(journal.endpoint(id), serving));
    const loadMs = performance.now() - options.startedAt;
    return { serving, loadMs, tell() {}, ...journal.transaction(() => this.#commitPoint(id, generation, options)) };
  }

  async #artifactPath({ digest }: BuildRecord): Promise<string> {
    const path = await this.#parts.compiler.artifactPath(digest);
    if (path !== null) return path;
    throw new AdminError('load_failed', 'The library of this build is missing or damaged; compile it again.');
  }

  async #prepare(spec: EndpointSpec): Promise<void> {
    const outcome = await this.#parts.dataPlane.prepare(spec);
    if (outcome.ok) return;
    const { code, message } = outcome;
    throw new AdminError('load_failed', `The library cannot be loaded: ${message}`, { details: { reason: code } });
  }

  /** Within a transaction. */
  #commitPoint(id: string, generation: number, options: SwapOptions): Committed {
    const { journal } = this.#parts;
    const before = journal.endpoint(id);
    if (before.generation !== null) journal.moveGeneration(id, before.generation, 'superseded');
    journal.moveGeneration(id, generation, 'ready');
    const servingError = options.servingError?.(generation) ?? null;
    const record = journal.moveEndpoint(id, 'swapped', { generation, servingError });
    return {
      record,
      superseded: before.generation,
      servedBefore: before.state === 'error' ? null : before.generation,
    };
  }

  /**
   * Whether the endpoint is `draining` is known only after the flip: what is in flight then is what is left. The new
   * generation serves by now, so a full disk must not make a failure of the deploy: it is written when it can be.
   */
  #settle({ id, generation, state }: EndpointRecord, requestsLeft: number): EndpointState {
    const { journal, writes } = this.#parts;
    let settled = state;
    writes.write(() => {
      const record = journal.store.endpoint(id);
      if (record === null || record.generation !== generation) return;
      const event = this.#settlingEvent(record, requestsLeft > 0);
      if (event === null) return;
      settled = nextEndpointState(record.state, event);
      journal.moveEndpoint(id, event);
    });
    return settled;
  }

  #settlingEvent({ id, state }: EndpointRecord, wereLeft: boolean): EndpointEvent | null {
    const stillDrains = wereLeft && this.#parts.ledger.isDraining(id);
    if (state === 'loaded' && stillDrains) return 'requests_left';
    return state === 'draining' && !stillDrains ? 'drained' : null;
  }

  async #giveUp(id: string, generation: number, error: unknown): Promise<void> {
    const { journal, writes, dataPlane } = this.#parts;
    await dataPlane.abandon(id, generation);
    const code = error instanceof AdminError ? error.code : 'internal_error';
    const message = error instanceof Error ? error.message : String(error);
    journal.publish({ type: 'swap_failed', endpoint: id, generation, code, message });
    // What cannot be written now, perhaps for the same reason, is written when it can be.
    writes.write(() => {
      if (journal.store.generation(id, generation)?.state === 'loading')
        journal.moveGeneration(id, generation, 'failed');
    });
  }

  #latestBuild(id: string): BuildRecord {
    const { journal } = this.#parts;
    const { buildId } = journal.endpoint(id);
    const build = buildId === null ? null : journal.store.build(buildId);
    if (build === null) throw new AdminError('not_compiled');
    return build;
  }

  #buildBefore(endpoint: EndpointRecord): BuildRecord {
    const { store } = this.#parts.journal;
    for (const depth of ROLLBACK_DEPTHS) {
      const build = buildServedBefore({
        generations: store.generations(endpoint.id, depth),
        serving: endpoint.generation,
        build: buildId => store.build(buildId),
      });
      if (build !== null) return build;
    }
    throw new AdminError('no_earlier_generation');
  }
}
