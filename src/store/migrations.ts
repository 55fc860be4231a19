/**
 * The schema, as numbered steps: a database of version n has run the first n of them (`PRAGMA user_version`).
 * A step that has been released is never changed; a new one is appended.
 */
import type { DatabaseSync } from 'node:sqlite';

/**
 * 1: endpoints, builds, generations.
 * `route_path` is the path with parameter names erased and static segments in one spelling, so the index sees equal routes.
 * `generations_made` only counts up: a generation number stays used when its row is gone.
 * A generation outlives its build (history shows it; a rollback to it is refused), so `build_id` is no foreign key there.
 */
const ENDPOINTS_BUILDS_GENERATIONS = `
  CREATE TABLE endpoints (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    domain TEXT NOT NULL,
    path TEXT NOT NULL,
    route_path TEXT NOT NULL,
    method TEXT NOT NULL,
    description TEXT NOT NULL,
    code TEXT,
    dependencies TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('created', 'compiled', 'loaded', 'draining', 'error')),
    generation INTEGER,
    generations_made INTEGER NOT NULL DEFAULT 0,
    build_id TEXT REFERENCES builds (id),
    last_error TEXT,
    timeout_ms REAL,
    drain_timeout_ms REAL,
    threads INTEGER,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    FOREIGN KEY (id, generation) REFERENCES generations (endpoint_id, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE UNIQUE INDEX endpoints_route ON endpoints (lower(domain), route_path, method);

  CREATE TABLE builds (
    sequence INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    key TEXT NOT NULL,
    digest TEXT NOT NULL,
    abi INTEGER NOT NULL,
    duration_ms REAL NOT NULL,
    finished_at INTEGER NOT NULL,
    cached INTEGER NOT NULL CHECK (cached IN (0, 1)),
    warnings TEXT NOT NULL,
    code TEXT NOT NULL,
    dependencies TEXT NOT NULL
  ) STRICT;
  CREATE INDEX builds_key ON builds (endpoint_id, key);

  CREATE TABLE generations (
    endpoint_id TEXT NOT NULL REFERENCES endpoints (id) ON DELETE CASCADE,
    generation INTEGER NOT NULL,
    build_id TEXT NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('loading', 'serving', 'draining', 'retired', 'failed')),
    outcome TEXT CHECK (outcome IN ('drained', 'forced')),
    requests INTEGER NOT NULL DEFAULT 0,
    loaded_at INTEGER,
    draining_since INTEGER,
    retired_at INTEGER,
    PRIMARY KEY (endpoint_id, generation)
  ) STRICT, WITHOUT ROWID;
  CREATE INDEX generations_state ON generations (state);
`;

/** 2: why a generation was made; null in those made before. */
const GENERATION_CAUSE = `
  ALTER TABLE generations ADD COLUMN cause TEXT
    CHECK (cause IN ('deploy', 'rollback', 'automatic_rollback', 'rebuild'));
`;

/** 3: endpoints are counted by their state without reading their source code, which lies before it in the row. */
const ENDPOINTS_STATE = 'CREATE INDEX endpoints_state ON endpoints (state)';

/** 4: a failed build takes the place of no other error, so that a good one after it brings that back. */
const TWO_ERRORS = `
  ALTER TABLE endpoints RENAME COLUMN last_error TO build_error;
  ALTER TABLE endpoints ADD COLUMN serving_error TEXT;
  UPDATE endpoints SET serving_error = build_error, build_error = NULL
    WHERE json_valid(build_error) AND build_error ->> 'code' IN ('load_failed', 'crash_loop', 'rolled_back');
`;

/** 5: which artifacts are in use is found without reading the builds, whose code lies in their rows. */
const BUILDS_DIGEST = 'CREATE INDEX builds_digest ON builds (digest)';

export const MIGRATIONS: readonly string[] = [
  ENDPOINTS_BUILDS_GENERATIONS,
  GENERATION_CAUSE,
  ENDPOINTS_STATE,
  TWO_ERRORS,
  BUILDS_DIGEST,
];

export function schemaVersion(database: DatabaseSync): number {
  return Number(database.prepare('PRAGMA user_version').get()?.['user_version']);
}

/** Runs the steps a database has not had yet, each in a transaction of its own with the version it leads to. */
export function migrate(database: DatabaseSync, migrations: readonly string[] = MIGRATIONS): void {
  for (let version = schemaVersion(database); version < migrations.length; version += 1) {
    database.exec(`BEGIN IMMEDIATE; ${migrations[version]}; PRAGMA user_version = ${version + 1}; COMMIT`);
  }
}
