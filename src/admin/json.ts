/** Records of the store in the form the API gives them. */
import type { z } from '@hono/zod-openapi';
import { lastErrorOf } from '../lifecycle/states/endpoint-state.ts';
import type { HandlerLogEntry } from '../observe/handler-log.ts';
import { roundedMs } from '../observe/milliseconds.ts';
import type { ProcessFigures } from '../protocol/control.ts';
import type { BuildRecord, EndpointRecord, GenerationRecord, Store } from '../store/records.ts';
import type { BuildSchema, EndpointSchema, GenerationSchema, HandlerLogSchema } from './schemas.ts';

const time = (ms: number): string => new Date(ms).toISOString();
const timeOrNull = (ms: number | null): string | null => (ms === null ? null : time(ms));
const mutable = <T>(value: T): T => structuredClone(value);

export function buildJson(build: BuildRecord): z.infer<typeof BuildSchema> {
  return {
    id: build.id,
    digest: build.digest,
    duration_ms: roundedMs(build.durationMs),
    finished_at: time(build.finishedAt),
    cached: build.cached,
    warnings: build.warnings.map(mutable),
  };
}

/** null: there is none, or it is no longer kept. */
export function storedBuildJson(store: Store, id: string | null): z.infer<typeof BuildSchema> | null {
  const build = id === null ? null : store.build(id);
  return build === null ? null : buildJson(build);
}

/** `memory`: bytes the heaps of each endpoint's images occupy. */
export function endpointJson(
  store: Store,
  record: EndpointRecord,
  memory: ReadonlyMap<string, number>,
): z.infer<typeof EndpointSchema> {
  const lastError = lastErrorOf(record);
  return {
    id: record.id,
    name: record.name,
    domain: record.domain,
    path: record.path,
    method: record.method,
    description: record.description,
    dependencies: mutable(record.dependencies) as z.infer<typeof EndpointSchema>['dependencies'],
    state: record.state,
    generation: record.generation,
    build: storedBuildJson(store, record.buildId),
    last_error:
      lastError === null ? null : { code: lastError.code, message: lastError.message, at: time(lastError.at) },
    timeout_ms: record.timeoutMs,
    drain_timeout_ms: record.drainTimeoutMs,
    threads: record.threads,
    memory_bytes: memory.get(record.id) ?? 0,
    created_at: time(record.createdAt),
    updated_at: time(record.updatedAt),
  };
}

/** `figures`: of the gateway processes that live now; the record has what those that retired the generation counted. */
export function generationJson(
  store: Store,
  record: GenerationRecord,
  figures: ProcessFigures,
): z.infer<typeof GenerationSchema> {
  const live = figures.generations.filter(
    ({ endpoint, generation }) => endpoint === record.endpointId && generation === record.generation,
  );
  const sum = (field: 'inFlight' | 'requests' | 'memoryBytes'): number =>
    live.reduce((total, counts) => total + counts[field], 0);
  return {
    generation: record.generation,
    build: storedBuildJson(store, record.buildId),
    cause: record.cause,
    state: record.state,
    in_flight: sum('inFlight'),
    requests: record.requests + sum('requests'),
    memory_bytes: sum('memoryBytes'),
    loaded_at: timeOrNull(record.loadedAt),
    draining_since: timeOrNull(record.drainingSince),
    retired_at: timeOrNull(record.retiredAt),
    outcome: record.outcome,
  };
}

export function handlerLogJson(entry: HandlerLogEntry): z.infer<typeof HandlerLogSchema> {
  return {
    at: time(entry.at),
    kind: entry.fault === null ? 'log' : 'fault',
    level: entry.level,
    message: entry.message,
    generation: entry.generation,
    request_id: entry.requestId,
    fault: entry.fault === null ? null : { ...entry.fault },
    backtrace: entry.backtrace === null ? null : [...entry.backtrace],
  };
}
