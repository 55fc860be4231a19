/** Every statement the store runs, prepared once. */
import type { DatabaseSync, StatementSync } from 'node:sqlite';

const ENDPOINT_COLUMNS = [
  'id',
  'name',
  'domain',
  'path',
  'route_path',
  'method',
  'description',
  'code',
  'dependencies',
  'state',
  'generation',
  'build_id',
  'build_error',
  'serving_error',
  'timeout_ms',
  'drain_timeout_ms',
  'threads',
  'created_at',
  'updated_at',
] as const;
const BUILD_COLUMNS = [
  'id',
  'endpoint_id',
  'key',
  'digest',
  'abi',
  'duration_ms',
  'finished_at',
  'cached',
  'warnings',
  'code',
  'dependencies',
] as const;
const GENERATION_COLUMNS = [
  'endpoint_id',
  'generation',
  'build_id',
  'cause',
  'state',
  'outcome',
  'requests',
  'loaded_at',
  'draining_since',
  'retired_at',
] as const;

const SQL = {
  insertEndpoint: insert('endpoints', ENDPOINT_COLUMNS),
  endpoint: 'SELECT * FROM endpoints WHERE id = ?',
  endpoints: `SELECT * FROM endpoints
    WHERE id > :after AND (:state IS NULL OR state = :state) ORDER BY id LIMIT :limit`,
  endpointCounts: 'SELECT state, COUNT(*) AS count FROM endpoints GROUP BY state',
  updateEndpoint: update('endpoints', ENDPOINT_COLUMNS, ['id']),
  deleteEndpoint: 'DELETE FROM endpoints WHERE id = ?',

  insertBuild: insert('builds', BUILD_COLUMNS),
  build: 'SELECT * FROM builds WHERE id = ?',
  buildByKey: 'SELECT * FROM builds WHERE endpoint_id = ? AND key = ? ORDER BY sequence DESC LIMIT 1',
  digests: 'SELECT DISTINCT digest FROM builds',

  generationsMade: 'SELECT generations_made FROM endpoints WHERE id = ?',
  countGeneration: `UPDATE endpoints SET generations_made = generations_made + 1
    WHERE id = ? RETURNING generations_made`,
  insertGeneration: insert('generations', GENERATION_COLUMNS),
  generation: 'SELECT * FROM generations WHERE endpoint_id = ? AND generation = ?',
  generations: 'SELECT * FROM generations WHERE endpoint_id = ? ORDER BY generation DESC LIMIT ?',
  generationsInState: `SELECT * FROM generations
    WHERE state IN (SELECT value FROM json_each(?)) ORDER BY endpoint_id, generation`,
  generationCounts: 'SELECT state, COUNT(*) AS count FROM generations GROUP BY state',
  updateGeneration: update('generations', GENERATION_COLUMNS, ['endpoint_id', 'generation']),

  // Failed generations are counted by themselves: ten failed deploys must not push out what a rollback goes back to.
  // Each part finds its rows in an index, for an endpoint's history may be long.
  pruneBuilds: `DELETE FROM builds WHERE endpoint_id = :id AND id NOT IN (
    SELECT build_id FROM endpoints WHERE id = :id AND build_id IS NOT NULL
    UNION ALL SELECT build_id FROM generations
      WHERE endpoint_id = :id AND generation = (SELECT generation FROM endpoints WHERE id = :id)
    UNION ALL SELECT build_id FROM generations INDEXED BY generations_state
      WHERE state IN ('loading', 'serving', 'draining') AND endpoint_id = :id
    UNION ALL SELECT build_id FROM (SELECT build_id FROM generations
      WHERE endpoint_id = :id AND +state <> 'failed' ORDER BY generation DESC LIMIT :keep)
    UNION ALL SELECT build_id FROM (SELECT build_id FROM generations
      WHERE endpoint_id = :id AND state = 'failed' ORDER BY generation DESC LIMIT :keep))`,
  pruneGenerations: `DELETE FROM generations WHERE endpoint_id = :id AND +state IN ('retired', 'failed')
    AND generation <= (SELECT generations_made FROM endpoints WHERE id = :id) - :keep
    AND generation IS NOT (SELECT generation FROM endpoints WHERE id = :id)`,
} as const;

function insert(table: string, columns: readonly string[]): string {
  return `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${columns.map(column => `:${column}`).join(', ')})`;
}

function update(table: string, columns: readonly string[], key: readonly string[]): string {
  const assign = (column: string): string => `${column} = :${column}`;
  const changed = columns.filter(column => !key.includes(column));
  return `UPDATE ${table} SET ${changed.map(assign).join(', ')} WHERE ${key.map(assign).join(' AND ')}`;
}

export type Statements = Readonly<Record<keyof typeof SQL, StatementSync>>;

export function prepareStatements(database: DatabaseSync): Statements {
  const prepared = Object.entries(SQL).map(([name, sql]) => [name, database.prepare(sql)]);
  return Object.fromEntries(prepared) as Statements;
}
