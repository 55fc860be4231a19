import { collectDefaultMetrics, Counter, Gauge, Histogram, Registry } from 'prom-client';
import type { ProcessFigures } from '../protocol/control.ts';
import type { Store } from '../store/records.ts';
import type { EventBus, TimedEvent } from './events.ts';
import { figureMetrics } from './figure-metrics.ts';
import { METRIC_PREFIX } from './metric-prefix.ts';

export interface MetricsOptions {
  readonly events: EventBus;
  readonly store: Pick<Store, 'endpointCounts' | 'generationCounts'>;
  readonly figures: () => Promise<ProcessFigures>;
}

const SWAP_OUTCOMES = ['swapped', 'rolled_back', 'failed'] as const;
const SWAP_BUCKETS_SECONDS = [0.001, 0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
const DRAIN_BUCKETS_SECONDS = [0.001, 0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];
const COMPILE_BUCKETS_SECONDS = [0.1, 0.25, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300];

/** Everything on `/metrics`: what the control plane counts itself, and the gateway processes' figures beside it. */
export class Metrics {
  readonly contentType = Registry.PROMETHEUS_CONTENT_TYPE;
  readonly #registry = new Registry();
  readonly #figures: () => Promise<ProcessFigures>;
  readonly #swaps = this.#counter('swaps_total', 'Deploys and rollbacks, by outcome.', ['endpoint', 'outcome']);
  readonly #crashLoops = this.#counter('crash_loops_total', 'Generations that crashed so often in a row.', [
    'endpoint',
  ]);
  readonly #compiles = this.#counter('compiles_total', 'Builds, by outcome.', ['outcome']);
  readonly #restarts = this.#counter('process_restarts_total', 'Gateway processes replaced, by reason.', ['reason']);
  readonly #swapDuration = this.#histogram(
    'swap_duration_seconds',
    'Time from a deploy call to every process having flipped, in seconds.',
    SWAP_BUCKETS_SECONDS,
  );
  readonly #drainDuration = this.#histogram(
    'drain_duration_seconds',
    'Time from a flip to the old generation being unmapped everywhere, in seconds.',
    DRAIN_BUCKETS_SECONDS,
  );
  readonly #compileDuration = this.#histogram(
    'compile_duration_seconds',
    'Time of a build, waiting included, in seconds.',
    COMPILE_BUCKETS_SECONDS,
  );

  constructor({ events, store, figures }: MetricsOptions) {
    this.#figures = figures;
    this.#stateGauge('endpoints', 'Endpoints, by state.', () => store.endpointCounts());
    this.#stateGauge('generations', 'Generations, by state.', () => store.generationCounts());
    collectDefaultMetrics({ register: this.#registry });
    events.subscribe(event => this.#count(event));
  }

  async text(): Promise<string> {
    const [own, dataPlane] = await Promise.all([this.#registry.metrics(), this.#figures().then(figureMetrics)]);
    return `${own}\n${dataPlane}`;
  }

  #count(event: TimedEvent): void {
    if (event.type === 'swap') {
      this.#countSwap(event.endpoint, event.cause === 'automatic_rollback' ? 'rolled_back' : 'swapped');
      this.#swapDuration.observe(event.swapMs / 1_000);
    } else if (event.type === 'swap_failed') {
      this.#countSwap(event.endpoint, 'failed');
    } else if (event.type === 'crash_loop') {
      this.#crashLoops.inc({ endpoint: event.endpoint });
    } else if (event.type === 'generation' && event.drainMs !== null) {
      this.#drainDuration.observe(event.drainMs / 1_000);
    } else if (event.type === 'process' && event.state === 'ended' && event.reason !== null) {
      this.#restarts.inc({ reason: event.reason });
    } else if (event.type === 'endpoint' && event.change === 'deleted') {
      this.#forget(event.endpoint);
    } else {
      this.#countBuild(event);
    }
  }

  #forget(endpoint: string): void {
    this.#crashLoops.remove({ endpoint });
    for (const outcome of SWAP_OUTCOMES) this.#swaps.remove({ endpoint, outcome });
  }

  #countSwap(endpoint: string, outcome: (typeof SWAP_OUTCOMES)[number]): void {
    this.#swaps.inc({ endpoint, outcome });
  }

  #countBuild(event: TimedEvent): void {
    if (event.type === 'build_finished') {
      this.#compiles.inc({ outcome: event.build.cached ? 'cached' : 'built' });
      if (!event.build.cached) this.#compileDuration.observe(event.build.durationMs / 1_000);
    } else if (event.type === 'build_failed') {
      this.#compiles.inc({ outcome: event.code === 'compile_timeout' ? 'timeout' : 'failed' });
      this.#compileDuration.observe(event.durationMs / 1_000);
    }
  }

  #counter<Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> {
    return new Counter({ name: METRIC_PREFIX + name, help, labelNames: [...labelNames], registers: [this.#registry] });
  }

  #histogram(name: string, help: string, buckets: number[]): Histogram {
    return new Histogram({ name: METRIC_PREFIX + name, help, buckets, registers: [this.#registry] });
  }

  #stateGauge(name: string, help: string, counts: () => Readonly<Record<string, number>>): void {
    const gauge: Gauge<'state'> = new Gauge({
      name: METRIC_PREFIX + name,
      help,
      labelNames: ['state'],
      registers: [this.#registry],
      collect() {
        for (const [state, count] of Object.entries(counts())) gauge.set({ state }, count);
      },
    });
  }
}
