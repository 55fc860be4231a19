import { DURATION_BUCKETS_SECONDS, type EndpointFigures } from '../../src/protocol/control.ts';

/** An endpoint of which nothing has been counted, but for what a test is about. */
export function endpointFigures(change: Partial<EndpointFigures> = {}): EndpointFigures {
  return {
    endpoint: 'a',
    inFlight: 0,
    queueLength: 0,
    requests: {},
    panics: 0,
    faults: {},
    recycled: {},
    rejected: {},
    logLinesDropped: 0,
    memoryBytes: 0,
    memoryLimitBytes: 0,
    duration: { counts: [...DURATION_BUCKETS_SECONDS, Infinity].map(() => 0), sum: 0 },
    ...change,
  };
}
