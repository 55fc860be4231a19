import { AggregatorRegistry } from 'prom-client';
import { DURATION_BUCKETS_SECONDS } from '../protocol/control.ts';
import type { EndpointFigures, Histogram, ProcessFigures } from '../protocol/control.ts';
import { METRIC_PREFIX } from './metric-prefix.ts';

interface Sample {
  readonly value: number;
  readonly labels: Readonly<Record<string, string | number>>;
  readonly metricName?: string;
}

/** One metric in the form prom-client's registries exchange; the gateway's figures come with finished histograms. */
interface Metric {
  readonly name: string;
  readonly help: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  readonly aggregator: 'sum';
  readonly values: readonly Sample[];
}

function metric(type: Metric['type'], name: string, help: string, values: readonly Sample[]): Metric {
  return { name: METRIC_PREFIX + name, help, type, aggregator: 'sum', values };
}

const byLabel = (
  endpoints: readonly EndpointFigures[],
  label: string,
  counts: (endpoint: EndpointFigures) => Readonly<Record<string, number>>,
): Sample[] =>
  endpoints.flatMap(figures =>
    Object.entries(counts(figures)).map(([name, value]) => ({
      value,
      labels: { endpoint: figures.endpoint, [label]: name },
    })),
  );

const byEndpoint = (endpoints: readonly EndpointFigures[], value: (endpoint: EndpointFigures) => number): Sample[] =>
  endpoints.map(figures => ({ value: value(figures), labels: { endpoint: figures.endpoint } }));

function histogramSamples(name: string, labels: Sample['labels'], histogram: Histogram): Sample[] {
  let cumulative = 0;
  const buckets = [...DURATION_BUCKETS_SECONDS, '+Inf'].map((le, index) => {
    cumulative += histogram.counts[index] ?? 0;
    return { metricName: `${name}_bucket`, value: cumulative, labels: { le, ...labels } };
  });
  const sum = { metricName: `${name}_sum`, value: histogram.sum, labels };
  return [...buckets, sum, { metricName: `${name}_count`, value: cumulative, labels }];
}

/** Requests that met no endpoint are counted under an empty id. */
function requestSamples(figures: ProcessFigures): Sample[] {
  const unrouted = Object.entries(figures.unrouted).map(([status, value]) => ({
    value,
    labels: { endpoint: '', status },
  }));
  return [...byLabel(figures.endpoints, 'status', endpoint => endpoint.requests), ...unrouted];
}

function counters(figures: ProcessFigures): Metric[] {
  const { endpoints } = figures;
  const closed = Object.entries(figures.connectionsClosed);
  return [
    metric('counter', 'requests_total', 'Requests answered, by endpoint and status class.', requestSamples(figures)),
    metric(
      'counter',
      'handler_panics_total',
      'Panics of handlers.',
      byEndpoint(endpoints, ({ panics }) => panics),
    ),
    metric(
      'counter',
      'handler_faults_total',
      'Faults of handlers, by kind.',
      byLabel(endpoints, 'kind', ({ faults }) => faults),
    ),
    metric(
      'counter',
      'workers_recycled_total',
      'Images thrown away and bound afresh on their worker, by reason.',
      byLabel(endpoints, 'reason', ({ recycled }) => recycled),
    ),
    metric(
      'counter',
      'requests_rejected_total',
      'Requests turned away before they started, by the code of the answer.',
      byLabel(endpoints, 'code', ({ rejected }) => rejected),
    ),
    metric(
      'counter',
      'handler_log_lines_dropped_total',
      'Log lines of handlers that were dropped, because a worker thread may write only so many a second.',
      byEndpoint(endpoints, ({ logLinesDropped }) => logLinesDropped),
    ),
    metric(
      'counter',
      'connections_closed_total',
      'Client connections the gateway closed against the will of the client, by reason.',
      closed.map(([reason, value]) => ({ value, labels: { reason } })),
    ),
  ];
}

function durations({ endpoints }: ProcessFigures): Metric {
  const name = 'request_duration_seconds';
  const samples = endpoints.flatMap(({ endpoint, duration }) =>
    histogramSamples(METRIC_PREFIX + name, { endpoint }, duration),
  );
  return metric('histogram', name, 'Time from a request to the end of its response, in seconds.', samples);
}

function gauges(figures: ProcessFigures): Metric[] {
  const { endpoints, workerThreads, connections } = figures;
  return [
    metric(
      'gauge',
      'requests_in_flight',
      'Requests started and not finished.',
      byEndpoint(endpoints, ({ inFlight }) => inFlight),
    ),
    metric(
      'gauge',
      'queue_length',
      'Requests waiting to be started.',
      byEndpoint(endpoints, ({ queueLength }) => queueLength),
    ),
    metric(
      'gauge',
      'handler_memory_bytes',
      'Memory the heaps of the images of an endpoint occupy, in bytes.',
      byEndpoint(endpoints, ({ memoryBytes }) => memoryBytes),
    ),
    metric(
      'gauge',
      'handler_memory_limit_bytes',
      'Most memory the heaps of the images of an endpoint may occupy now, in bytes: HANDLER_MAX_MEMORY_MB for each image.',
      byEndpoint(endpoints, ({ memoryLimitBytes }) => memoryLimitBytes),
    ),
    metric('gauge', 'connections', 'Open connections of clients.', [{ value: connections, labels: {} }]),
    metric('gauge', 'libraries_mapped', 'Images of generations in all gateway processes.', [
      { value: figures.librariesMapped, labels: {} },
    ]),
    metric('gauge', 'worker_threads', 'Handler threads, serving or in standby.', [
      { value: workerThreads.serving, labels: { state: 'serving' } },
      { value: workerThreads.standby, labels: { state: 'standby' } },
    ]),
  ];
}

/** The gateway processes' figures as Prometheus text. */
export async function figureMetrics(figures: ProcessFigures): Promise<string> {
  return AggregatorRegistry.aggregate([[...counters(figures), durations(figures), ...gauges(figures)]]).metrics();
}
