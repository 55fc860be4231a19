/** What the store keeps, as the rest of the control plane sees it. Times are milliseconds since 1970, UTC. */

export type EndpointState = 'created' | 'compiled' | 'loaded' | 'draining' | 'error';
export type GenerationState = 'loading' | 'serving' | 'draining' | 'retired' | 'failed';
export type DrainOutcome = 'drained' | 'forced';
/**
 * Why a generation was made: by a call, by the gateway because the one before came into a crash loop, or because an
 * older version of the gateway had compiled what was deployed.
 */
export type GenerationCause = 'deploy' | 'rollback' | 'automatic_rollback' | 'rebuild';

/** A crate: its version requirement, or that with features. Validated at the API's edge (`admin/schemas.ts`). */
export type Dependency =
  string | { readonly version: string; readonly features?: readonly string[]; readonly default_features?: boolean };
export type Dependencies = Readonly<Record<string, Dependency>>;

export interface LastError {
  readonly code: string;
  readonly message: string;
  readonly at: number;
}

export interface EndpointRecord {
  readonly id: string;
  readonly name: string;
  readonly domain: string;
  readonly path: string;
  readonly method: string;
  readonly description: string;
  /** Saved source; null until some is saved. */
  readonly code: string | null;
  readonly dependencies: Dependencies;
  readonly state: EndpointState;
  /** The generation that serves (or should, in state `error`). */
  readonly generation: number | null;
  /** Latest good build. */
  readonly buildId: string | null;
  /** The last build has failed; null: it has not. Over with a good build. */
  readonly buildError: LastError | null;
  /** Why nothing serves that should, or why something else does. Over with the next swap, whatever is built meanwhile. */
  readonly servingError: LastError | null;
  /** null: the gateway's setting. */
  readonly timeoutMs: number | null;
  readonly drainTimeoutMs: number | null;
  readonly threads: number | null;
  readonly createdAt: number;
  readonly updatedAt: number;
}

/** One message of the compiler; `line` and `column` count from 1 in the saved source, null when it is not about it. */
export interface Diagnostic {
  readonly level: string;
  readonly message: string;
  readonly file: string | null;
  readonly line: number | null;
  readonly column: number | null;
}

export interface BuildRecord {
  readonly id: string;
  readonly endpointId: string;
  /** Hash of everything that went into the build; the same key gives the same artifact. */
  readonly key: string;
  /** SHA-256 of the artifact, in hexadecimal; also its file name. */
  readonly digest: string;
  readonly abi: number;
  readonly durationMs: number;
  readonly finishedAt: number;
  readonly cached: boolean;
  readonly warnings: readonly Diagnostic[];
  readonly code: string;
  readonly dependencies: Dependencies;
}

export interface GenerationRecord {
  readonly endpointId: string;
  readonly generation: number;
  readonly buildId: string;
  /** null: made by a version of the gateway that did not write it down. */
  readonly cause: GenerationCause | null;
  readonly state: GenerationState;
  readonly outcome: DrainOutcome | null;
  /** Requests it has answered in gateway processes that have retired it; those of live ones are added when asked for. */
  readonly requests: number;
  readonly loadedAt: number | null;
  readonly drainingSince: number | null;
  readonly retiredAt: number | null;
}

export type NewEndpoint = Pick<
  EndpointRecord,
  | 'id'
  | 'name'
  | 'domain'
  | 'path'
  | 'method'
  | 'description'
  | 'code'
  | 'dependencies'
  | 'timeoutMs'
  | 'drainTimeoutMs'
  | 'threads'
>;
/** Fields that may change after creation. */
export type EndpointChange = Partial<Omit<EndpointRecord, 'id' | 'createdAt' | 'updatedAt'>>;
export type GenerationChange = Partial<Omit<GenerationRecord, 'endpointId' | 'generation' | 'buildId' | 'cause'>>;

/**
 * The store. Calls are synchronous and committed when they return; `transaction` makes several of them one.
 * @throws AdminError `route_taken`, `id_taken`, `endpoint_not_found`, `storage_failed`
 */
export interface Store {
  transaction<T>(work: () => T): T;

  createEndpoint(endpoint: NewEndpoint, now: number): EndpointRecord;
  endpoint(id: string): EndpointRecord | null;
  /** By id, ascending; `after` is the last id of the page before. */
  endpoints(options?: { state?: EndpointState; after?: string; limit?: number }): readonly EndpointRecord[];
  changeEndpoint(id: string, change: EndpointChange, now: number): EndpointRecord;
  /** With its builds and generations. */
  deleteEndpoint(id: string): void;

  addBuild(build: BuildRecord): void;
  build(id: string): BuildRecord | null;
  /** The newest build of this endpoint with this key. */
  buildByKey(endpointId: string, key: string): BuildRecord | null;

  /** Numbers count up from 1 per endpoint and are never used twice. `cause`: default `deploy`. */
  addGeneration(endpointId: string, buildId: string, cause?: GenerationCause): GenerationRecord;
  /** The number the endpoint's next generation will have. */
  nextGeneration(endpointId: string): number;
  generation(endpointId: string, generation: number): GenerationRecord | null;
  /** Newest first. */
  generations(endpointId: string, limit?: number): readonly GenerationRecord[];
  changeGeneration(endpointId: string, generation: number, change: GenerationChange): GenerationRecord;
  /** How many endpoints there are in each state. */
  endpointCounts(): Readonly<Record<EndpointState, number>>;
  /** How many generations, of all endpoints, there are in each state. */
  generationCounts(): Readonly<Record<GenerationState, number>>;
  /** Every generation in one of these states, of all endpoints. */
  generationsInState(states: readonly GenerationState[]): readonly GenerationRecord[];

  /** Deletes an endpoint's builds, but the latest, that none of its last `keep` generations refers to; gives how many. */
  pruneBuilds(endpointId: string, keep: number): number;
  /** Of all builds. */
  digests(): ReadonlySet<string>;

  close(): void;
}
