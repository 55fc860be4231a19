import type { DatabaseSync } from 'node:sqlite';
import { AdminError } from '../errors.ts';
import { openDatabase } from './database.ts';
import {
  readBuild,
  readCounts,
  readEndpoint,
  readGeneration,
  writeBuild,
  writeEndpoint,
  writeGeneration,
} from './rows.ts';
import { prepareStatements, type Statements } from './statements.ts';
import { asStorageError, isPrimaryKeyTaken, isUniqueTaken } from './storage-error.ts';
import type {
  BuildRecord,
  EndpointChange,
  EndpointRecord,
  EndpointState,
  GenerationCause,
  GenerationChange,
  GenerationRecord,
  GenerationState,
  NewEndpoint,
  Store,
} from './records.ts';

/** Rows of ended generations kept per endpoint as its history; their builds go much sooner. */
const GENERATION_ROWS_MAX = 10_000;

/** SQLite's word for "no limit". */
const UNLIMITED = -1;

/**
 * Opens the store in `dataDir`, which is created with mode 0700 when it is missing.
 * @throws StartupError see `openDatabase`
 */
export function openStore(dataDir: string): Store {
  return new SqliteStore(openDatabase(dataDir));
}

class SqliteStore implements Store {
  readonly #database: DatabaseSync;
  readonly #statements: Statements;

  constructor(database: DatabaseSync) {
    this.#database = database;
    this.#statements = prepareStatements(database);
  }

  /** `work` must not wait for anything: whatever runs before it returns is part of the transaction. A nested one joins it. */
  transaction<T>(work: () => T): T {
    if (this.#database.isTransaction) return work();
    this.#run(() => this.#database.exec('BEGIN IMMEDIATE'));
    try {
      const result = work();
      this.#run(() => this.#database.exec('COMMIT'));
      return result;
    } catch (error) {
      // A full disk makes SQLite roll back by itself.
      if (this.#database.isTransaction) this.#database.exec('ROLLBACK');
      throw error;
    }
  }

  createEndpoint(endpoint: NewEndpoint, now: number): EndpointRecord {
    const record: EndpointRecord = {
      ...endpoint,
      state: 'created',
      generation: null,
      buildId: null,
      buildError: null,
      servingError: null,
      createdAt: now,
      updatedAt: now,
    };
    this.#writeEndpoint(() => this.#statements.insertEndpoint.run(writeEndpoint(record)));
    return record;
  }

  endpoint(id: string): EndpointRecord | null {
    const row = this.#run(() => this.#statements.endpoint.get(id));
    return row === undefined ? null : readEndpoint(row);
  }

  endpoints(options: { state?: EndpointState; after?: string; limit?: number } = {}): readonly EndpointRecord[] {
    const { state = null, after = '', limit = UNLIMITED } = options;
    return this.#run(() => this.#statements.endpoints.all({ state, after, limit })).map(readEndpoint);
  }

  changeEndpoint(id: string, change: EndpointChange, now: number): EndpointRecord {
    const record = { ...this.#existingEndpoint(id), ...change, updatedAt: now };
    this.#writeEndpoint(() => this.#statements.updateEndpoint.run(writeEndpoint(record)));
    return record;
  }

  deleteEndpoint(id: string): void {
    const { changes } = this.#run(() => this.#statements.deleteEndpoint.run(id));
    if (changes === 0) throw new AdminError('endpoint_not_found');
  }

  addBuild(build: BuildRecord): void {
    this.#existingEndpoint(build.endpointId);
    this.#run(() => this.#statements.insertBuild.run(writeBuild(build)));
  }

  build(id: string): BuildRecord | null {
    const row = this.#run(() => this.#statements.build.get(id));
    return row === undefined ? null : readBuild(row);
  }

  buildByKey(endpointId: string, key: string): BuildRecord | null {
    const row = this.#run(() => this.#statements.buildByKey.get(endpointId, key));
    return row === undefined ? null : readBuild(row);
  }

  nextGeneration(endpointId: string): number {
    const made = this.#run(() => this.#statements.generationsMade.get(endpointId));
    if (made === undefined) throw new AdminError('endpoint_not_found');
    return Number(made['generations_made']) + 1;
  }

  addGeneration(endpointId: string, buildId: string, cause: GenerationCause = 'deploy'): GenerationRecord {
    return this.transaction(() => {
      const made = this.#run(() => this.#statements.countGeneration.get(endpointId));
      if (made === undefined) throw new AdminError('endpoint_not_found');
      if (this.build(buildId)?.endpointId !== endpointId) throw new AdminError('generation_not_found');
      const record: GenerationRecord = {
        endpointId,
        generation: Number(made['generations_made']),
        buildId,
        cause,
        state: 'loading',
        outcome: null,
        requests: 0,
        loadedAt: null,
        drainingSince: null,
        retiredAt: null,
      };
      this.#run(() => this.#statements.insertGeneration.run(writeGeneration(record)));
      return record;
    });
  }

  generation(endpointId: string, generation: number): GenerationRecord | null {
    const row = this.#run(() => this.#statements.generation.get(endpointId, generation));
    return row === undefined ? null : readGeneration(row);
  }

  generations(endpointId: string, limit: number = UNLIMITED): readonly GenerationRecord[] {
    return this.#run(() => this.#statements.generations.all(endpointId, limit)).map(readGeneration);
  }

  changeGeneration(endpointId: string, generation: number, change: GenerationChange): GenerationRecord {
    const before = this.generation(endpointId, generation);
    if (before === null) throw new AdminError('generation_not_found');
    const record = { ...before, ...change };
    this.#run(() => this.#statements.updateGeneration.run(writeGeneration(record)));
    return record;
  }

  endpointCounts(): Record<EndpointState, number> {
    const none = { created: 0, compiled: 0, loaded: 0, draining: 0, error: 0 };
    return readCounts(
      none,
      this.#run(() => this.#statements.endpointCounts.all()),
    );
  }

  generationCounts(): Record<GenerationState, number> {
    const none = { loading: 0, serving: 0, draining: 0, retired: 0, failed: 0 };
    return readCounts(
      none,
      this.#run(() => this.#statements.generationCounts.all()),
    );
  }

  generationsInState(states: readonly GenerationState[]): readonly GenerationRecord[] {
    return this.#run(() => this.#statements.generationsInState.all(JSON.stringify(states))).map(readGeneration);
  }

  pruneBuilds(endpointId: string, keep: number): number {
    return this.transaction(() => {
      const { changes } = this.#run(() => this.#statements.pruneBuilds.run({ id: endpointId, keep }));
      this.#run(() => this.#statements.pruneGenerations.run({ id: endpointId, keep: GENERATION_ROWS_MAX }));
      return Number(changes);
    });
  }

  digests(): ReadonlySet<string> {
    const rows = this.#run(() => this.#statements.digests.all());
    return new Set(rows.map(row => String(row['digest'])));
  }

  close(): void {
    this.#database.close();
  }

  #existingEndpoint(id: string): EndpointRecord {
    const record = this.endpoint(id);
    if (record === null) throw new AdminError('endpoint_not_found');
    return record;
  }

  /** The unique constraints decide who was first. */
  #writeEndpoint(write: () => unknown): void {
    try {
      this.#run(write);
    } catch (error) {
      if (isPrimaryKeyTaken(error)) throw new AdminError('id_taken', undefined, { cause: error });
      if (isUniqueTaken(error)) throw new AdminError('route_taken', undefined, { cause: error });
      throw error;
    }
  }

  #run<T>(work: () => T): T {
    try {
      return work();
    } catch (error) {
      throw asStorageError(error);
    }
  }
}
