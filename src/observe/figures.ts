import { DURATION_BUCKETS_SECONDS } from '../protocol/control.ts';
import type { EndpointFigures, Histogram, ProcessFigures } from '../protocol/control.ts';
import { sumHeapBytes } from '../protocol/guard.ts';

type Counts = Readonly<Record<string, number>>;

function addCounts(left: Counts, right: Counts): Counts {
  const sum: Record<string, number> = { ...left };
  for (const [name, count] of Object.entries(right)) sum[name] = (sum[name] ?? 0) + count;
  return sum;
}

function addHistograms(left: Histogram, right: Histogram): Histogram {
  const counts = Array.from(
    { length: DURATION_BUCKETS_SECONDS.length + 1 },
    (_count, index) => (left.counts[index] ?? 0) + (right.counts[index] ?? 0),
  );
  return { counts, sum: left.sum + right.sum };
}

function addEndpoints(left: EndpointFigures, right: EndpointFigures): EndpointFigures {
  return {
    endpoint: left.endpoint,
    inFlight: left.inFlight + right.inFlight,
    queueLength: left.queueLength + right.queueLength,
    requests: addCounts(left.requests, right.requests),
    panics: left.panics + right.panics,
    faults: addCounts(left.faults, right.faults),
    recycled: addCounts(left.recycled, right.recycled),
    rejected: addCounts(left.rejected, right.rejected),
    logLinesDropped: left.logLinesDropped + right.logLinesDropped,
    ...sumHeapBytes([left, right]),
    duration: addHistograms(left.duration, right.duration),
  };
}

function mergeEndpoints(left: readonly EndpointFigures[], right: readonly EndpointFigures[]): EndpointFigures[] {
  const merged = new Map(left.map(figures => [figures.endpoint, figures]));
  for (const figures of right) {
    const present = merged.get(figures.endpoint);
    merged.set(figures.endpoint, present === undefined ? figures : addEndpoints(present, figures));
  }
  return [...merged.values()];
}

export const NO_FIGURES: ProcessFigures = {
  inFlight: 0,
  requestsTotal: 0,
  faultsTotal: 0,
  librariesMapped: 0,
  workerThreads: { serving: 0, standby: 0 },
  generations: [],
  endpoints: [],
  unrouted: {},
  connections: 0,
  connectionsClosed: {},
  memoryBytes: 0,
  cpuSeconds: 0,
};

/** The figures of two processes as if they were one. */
export function addFigures(left: ProcessFigures, right: ProcessFigures): ProcessFigures {
  return {
    inFlight: left.inFlight + right.inFlight,
    requestsTotal: left.requestsTotal + right.requestsTotal,
    faultsTotal: left.faultsTotal + right.faultsTotal,
    librariesMapped: left.librariesMapped + right.librariesMapped,
    workerThreads: {
      serving: left.workerThreads.serving + right.workerThreads.serving,
      standby: left.workerThreads.standby + right.workerThreads.standby,
    },
    generations: [...left.generations, ...right.generations],
    endpoints: mergeEndpoints(left.endpoints, right.endpoints),
    unrouted: addCounts(left.unrouted, right.unrouted),
    connections: left.connections + right.connections,
    connectionsClosed: addCounts(left.connectionsClosed, right.connectionsClosed),
    memoryBytes: left.memoryBytes + right.memoryBytes,
    cpuSeconds: left.cpuSeconds + right.cpuSeconds,
  };
}

/** What stays of a process that has ended: its counters, while its gauges are gone with it. */
export function countersOf(figures: ProcessFigures): ProcessFigures {
  return {
    ...NO_FIGURES,
    requestsTotal: figures.requestsTotal,
    faultsTotal: figures.faultsTotal,
    endpoints: figures.endpoints.map(endpoint => ({ ...endpoint, inFlight: 0, queueLength: 0, ...sumHeapBytes([]) })),
    unrouted: figures.unrouted,
    connectionsClosed: figures.connectionsClosed,
    cpuSeconds: figures.cpuSeconds,
  };
}

export interface GenerationName {
  readonly endpoint: string;
  readonly generation: number;
}

export function withoutGeneration(figures: ProcessFigures, left: GenerationName): ProcessFigures {
  const isLeft = ({ endpoint, generation }: GenerationName): boolean =>
    endpoint === left.endpoint && generation === left.generation;
  return { ...figures, generations: figures.generations.filter(one => !isLeft(one)) };
}
