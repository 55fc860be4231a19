import type { EndpointSpec, GenerationSpec } from '../protocol/control.ts';
import type { EndpointChange, EndpointRecord } from '../store/records.ts';

/** What an endpoint without limits of its own gets: the gateway's settings. */
export interface EndpointDefaults {
  readonly timeoutMs: number;
  readonly drainTimeoutMs: number;
  readonly threadsMax: number;
}

/** The endpoint as the gateway processes see it. */
export function endpointSpec(
  record: EndpointRecord,
  serving: GenerationSpec | null,
  defaults: EndpointDefaults,
): EndpointSpec {
  return {
    id: record.id,
    route: { domain: record.domain, method: record.method, path: record.path },
    serving,
    timeoutMs: record.timeoutMs ?? defaults.timeoutMs,
    drainTimeoutMs: record.drainTimeoutMs ?? defaults.drainTimeoutMs,
    threadsMax: record.threads ?? defaults.threadsMax,
  };
}

const PUBLISHED_FIELDS = ['domain', 'method', 'path', 'timeoutMs', 'drainTimeoutMs', 'threads'] as const;

/** Whether the gateway processes have to hear of this change. */
export const concernsDataPlane = (change: EndpointChange): boolean => PUBLISHED_FIELDS.some(field => field in change);
