import type { ProcessFigures } from '../protocol/control.ts';
import type { Deployment } from './deployment.ts';
import { classRecord, countClass } from './endpoint-counters.ts';

/** Why a connection was closed against its client's will: the label of a metric, so a few fixed words. */
export const CLOSE_REASONS = [
  /** CONNECTIONS_MAX were open. */
  'too_many',
  'headers_timeout',
  'receive_timeout',
  'send_stall',
  /** No request came for KEEP_ALIVE_SECS. */
  'idle',
  /** What came was no request, or one with too many headers. */
  'malformed',
  /** The process ended, and the client had not taken its replies. */
  'shutdown',
] as const;

export type CloseReason = (typeof CLOSE_REASONS)[number];

/** Counts of the whole process that belong to no endpoint. */
export class TrafficCounters {
  /** Responses of every kind, and requests whose client left before one. */
  requestsTotal = 0;
  /** Open connections of clients. */
  connections = 0;
  readonly #unroutedByClass = [0, 0, 0, 0, 0, 0];
  /** Every reason from the start, so that the first of its kind shows as a rise. */
  readonly #connectionsClosed = Object.fromEntries(CLOSE_REASONS.map(reason => [reason, 0])) as Record<
    CloseReason,
    number
  >;

  /** A request that met no endpoint was answered. */
  countUnrouted(status: number): void {
    this.requestsTotal++;
    countClass(this.#unroutedByClass, status);
  }

  /** A connection was closed against its client's will. */
  countClosed(reason: CloseReason): void {
    this.#connectionsClosed[reason]++;
  }

  get connectionsClosed(): Readonly<Record<CloseReason, number>> {
    return { ...this.#connectionsClosed };
  }

  get unrouted(): Readonly<Record<string, number>> {
    return classRecord(this.#unroutedByClass);
  }
}

/** The figures of this process, as of now. */
export function processFigures(deployment: Deployment, traffic: TrafficCounters): ProcessFigures {
  const endpoints = [...deployment.endpoints].map(endpoint => {
    const generations = endpoint.generationFigures();
    return { generations, figures: endpoint.figures(generations) };
  });
  const generations = endpoints.flatMap(endpoint => endpoint.generations);
  const pools = deployment.poolFactory?.figures() ?? { standbyThreads: 0, librariesMapped: 0 };
  const imagesPrepared = generations
    .filter(generation => generation.state === 'prepared')
    .reduce((images, generation) => images + generation.images, 0);
  const { user, system } = process.cpuUsage();
  return {
    inFlight: generations.reduce((inFlight, generation) => inFlight + generation.inFlight, 0),
    requestsTotal: traffic.requestsTotal,
    faultsTotal: deployment.faultsTotal,
    librariesMapped: pools.librariesMapped - imagesPrepared,
    workerThreads: { serving: deployment.threadsUsed, standby: pools.standbyThreads },
    generations,
    endpoints: endpoints.map(endpoint => endpoint.figures),
    unrouted: traffic.unrouted,
    connections: traffic.connections,
    connectionsClosed: traffic.connectionsClosed,
    memoryBytes: process.memoryUsage.rss(),
    cpuSeconds: (user + system) / 1e6,
  };
}
