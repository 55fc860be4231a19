/**
 * Records as rows of SQLite and back. JSON columns are checked when they are read, since a file can be edited by hand;
 * states and outcomes are checked by the schema.
 */
import type { SQLInputValue, SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import { AdminError } from '../errors.ts';
import { normalisePattern } from '../protocol/route-pattern.ts';
import type {
  BuildRecord,
  Dependencies,
  Diagnostic,
  DrainOutcome,
  EndpointRecord,
  EndpointState,
  GenerationCause,
  GenerationRecord,
  GenerationState,
  LastError,
} from './records.ts';

export type Row = Record<string, SQLOutputValue>;
export type Parameters = Record<string, SQLInputValue>;

const dependenciesSchema = z.record(
  z.string(),
  z.union([
    z.string(),
    z
      .object({
        version: z.string(),
        features: z.array(z.string()).exactOptional(),
        default_features: z.boolean().exactOptional(),
      })
      .readonly(),
  ]),
) satisfies z.ZodType<Dependencies>;

const lastErrorSchema = z.object({
  code: z.string(),
  message: z.string(),
  at: z.number(),
}) satisfies z.ZodType<LastError>;

const warningsSchema = z.array(
  z.object({
    level: z.string(),
    message: z.string(),
    file: z.string().nullable(),
    line: z.number().nullable(),
    column: z.number().nullable(),
  }),
) satisfies z.ZodType<Diagnostic[]>;

function readJson<T>(schema: z.ZodType<T>, row: Row, column: string): T {
  try {
    return schema.parse(JSON.parse(String(row[column])));
  } catch (error) {
    const message = `The database is damaged: column ${column} of ${String(row['id'])} cannot be read.`;
    throw new AdminError('storage_failed', message, { cause: error });
  }
}

const text = (row: Row, column: string): string => String(row[column]);
const number = (row: Row, column: string): number => Number(row[column]);
const orNull = <T>(read: (row: Row, column: string) => T, row: Row, column: string): T | null =>
  row[column] === null ? null : read(row, column);
const readLastError = (row: Row, column: string): LastError => readJson(lastErrorSchema, row, column);
const writeOrNull = (value: object | null): string | null => (value === null ? null : JSON.stringify(value));

export function readEndpoint(row: Row): EndpointRecord {
  return {
    id: text(row, 'id'),
    name: text(row, 'name'),
    domain: text(row, 'domain'),
    path: text(row, 'path'),
    method: text(row, 'method'),
    description: text(row, 'description'),
    code: orNull(text, row, 'code'),
    dependencies: readJson(dependenciesSchema, row, 'dependencies'),
    state: text(row, 'state') as EndpointState,
    generation: orNull(number, row, 'generation'),
    buildId: orNull(text, row, 'build_id'),
    buildError: orNull(readLastError, row, 'build_error'),
    servingError: orNull(readLastError, row, 'serving_error'),
    timeoutMs: orNull(number, row, 'timeout_ms'),
    drainTimeoutMs: orNull(number, row, 'drain_timeout_ms'),
    threads: orNull(number, row, 'threads'),
    createdAt: number(row, 'created_at'),
    updatedAt: number(row, 'updated_at'),
  };
}

export function writeEndpoint(endpoint: EndpointRecord): Parameters {
  return {
    id: endpoint.id,
    name: endpoint.name,
    domain: endpoint.domain,
    path: endpoint.path,
    route_path: normalisePattern(endpoint.path),
    method: endpoint.method,
    description: endpoint.description,
    code: endpoint.code,
    dependencies: JSON.stringify(endpoint.dependencies),
    state: endpoint.state,
    generation: endpoint.generation,
    build_id: endpoint.buildId,
    build_error: writeOrNull(endpoint.buildError),
    serving_error: writeOrNull(endpoint.servingError),
    timeout_ms: endpoint.timeoutMs,
    drain_timeout_ms: endpoint.drainTimeoutMs,
    threads: endpoint.threads,
    created_at: endpoint.createdAt,
    updated_at: endpoint.updatedAt,
  };
}

export function readBuild(row: Row): BuildRecord {
  return {
    id: text(row, 'id'),
    endpointId: text(row, 'endpoint_id'),
    key: text(row, 'key'),
    digest: text(row, 'digest'),
    abi: number(row, 'abi'),
    durationMs: number(row, 'duration_ms'),
    finishedAt: number(row, 'finished_at'),
    cached: row['cached'] === 1,
    warnings: readJson(warningsSchema, row, 'warnings'),
    code: text(row, 'code'),
    dependencies: readJson(dependenciesSchema, row, 'dependencies'),
  };
}

export function writeBuild(build: BuildRecord): Parameters {
  return {
    id: build.id,
    endpoint_id: build.endpointId,
    key: build.key,
    digest: build.digest,
    abi: build.abi,
    duration_ms: build.durationMs,
    finished_at: build.finishedAt,
    cached: build.cached ? 1 : 0,
    warnings: JSON.stringify(build.warnings),
    code: build.code,
    dependencies: JSON.stringify(build.dependencies),
  };
}

export function readGeneration(row: Row): GenerationRecord {
  return {
    endpointId: text(row, 'endpoint_id'),
    generation: number(row, 'generation'),
    buildId: text(row, 'build_id'),
    cause: orNull(text, row, 'cause') as GenerationCause | null,
    state: text(row, 'state') as GenerationState,
    outcome: orNull(text, row, 'outcome') as DrainOutcome | null,
    requests: number(row, 'requests'),
    loadedAt: orNull(number, row, 'loaded_at'),
    drainingSince: orNull(number, row, 'draining_since'),
    retiredAt: orNull(number, row, 'retired_at'),
  };
}

/** Rows of a state and how often it occurs; `none` has every state, for those that do not occur. */
export function readCounts<State extends string>(none: Record<State, number>, rows: Row[]): Record<State, number> {
  const counts = rows.map(row => [text(row, 'state'), number(row, 'count')]);
  return { ...none, ...(Object.fromEntries(counts) as Partial<Record<State, number>>) };
}

export function writeGeneration(generation: GenerationRecord): Parameters {
  return {
    endpoint_id: generation.endpointId,
    generation: generation.generation,
    build_id: generation.buildId,
    cause: generation.cause,
    state: generation.state,
    outcome: generation.outcome,
    requests: generation.requests,
    loaded_at: generation.loadedAt,
    draining_since: generation.drainingSince,
    retired_at: generation.retiredAt,
  };
}
