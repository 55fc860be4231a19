import type { BindFailure, EndpointSpec, ProcessFigures } from '../protocol/control.ts';
import type { DataPlaneListener, ProcessId, RetiredReport } from './data-plane.ts';
import { DrainLedger, keyOf, type EndedDrain } from './drain-ledger.ts';
import type { Journal } from './journal.ts';
import type { LateWrites } from './late-writes.ts';
import { retiredBy } from './states/generation-state.ts';

/**
 * Takes in what gateway processes report: ends drains, counts requests, marks endpoints that cannot serve. Nobody waits
 * for an answer here, so its writes are late ones.
 */
export class Drains implements DataPlaneListener {
  readonly ledger: DrainLedger;
  readonly #journal: Journal;
  readonly #writes: LateWrites;
  readonly #onCrashLoop: DataPlaneListener['crashLooped'];
  readonly #onDeadly: (endpoint: string, generation: number) => void;
  /** Endpoints in `error` whose generation may come back: a later bind may find memory, threads or disk again. */
  readonly #failed = new Map<string, number>();

  constructor(options: {
    readonly journal: Journal;
    readonly writes: LateWrites;
    readonly onCrashLoop: DataPlaneListener['crashLooped'];
    /** The generation has ended gateway processes by being bound: none of them has it any more. */
    readonly onDeadly: (endpoint: string, generation: number) => void;
  }) {
    this.#journal = options.journal;
    this.#writes = options.writes;
    this.#onCrashLoop = options.onCrashLoop;
    this.#onDeadly = options.onDeadly;
    this.ledger = new DrainLedger({ onEnded: drain => this.#ended(drain), now: () => performance.now() });
  }

  retired(process: ProcessId, report: RetiredReport): void {
    const { endpoint, generation, outcome, requests } = report;
    this.#writes.write(() => this.#journal.addRequests(endpoint, generation, requests));
    this.ledger.retired(process, endpoint, generation, outcome);
  }

  polled(process: ProcessId, figures: ProcessFigures): void {
    const held = new Set(figures.generations.map(({ endpoint, generation }) => keyOf(endpoint, generation)));
    this.ledger.reconcile(process, (endpoint, generation) => held.has(keyOf(endpoint, generation)));
    if (this.#failed.size === 0) return;
    for (const { endpoint, generation, state, images } of figures.generations) {
      if (state === 'serving' && images > 0) this.#recovered(endpoint, generation);
    }
  }

  gone(process: ProcessId, end: { readonly clean: boolean; readonly figures: ProcessFigures | null }): void {
    const generations = end.figures?.generations ?? [];
    this.#writes.write(() => {
      for (const { endpoint, generation, requests } of generations) {
        this.#journal.addRequests(endpoint, generation, requests);
      }
    });
    this.ledger.gone(process, end.clean);
  }

  endpointFailed(endpoint: string, generation: number, failure: BindFailure): void {
    if (failure.code === 'process_died') this.#onDeadly(endpoint, generation);
    this.#writes.write(() => {
      const record = this.#journal.store.endpoint(endpoint);
      if (record === null || record.generation !== generation || record.state === 'error') return;
      this.#failed.set(endpoint, generation);
      const servingError = { code: 'load_failed', message: failure.message, at: this.#journal.now() };
      this.#journal.moveEndpoint(endpoint, 'failed', { servingError });
    });
  }

  crashLooped(endpoint: string, generation: number, crashes: number): void {
    this.#onCrashLoop(endpoint, generation, crashes);
  }

  started(served: readonly EndpointSpec[], failed: readonly ({ readonly endpoint: string } & BindFailure)[]): void {
    const failures = new Map(failed.map(failure => [failure.endpoint, failure]));
    for (const { id, serving } of served) {
      if (serving === null) continue;
      const failure = failures.get(id);
      if (failure === undefined) this.#recovered(id, serving.generation);
      else this.endpointFailed(id, serving.generation, failure);
    }
  }

  /** The endpoint is deleted: its numbers begin anew. */
  forget(endpoint: string): void {
    this.#failed.delete(endpoint);
  }

  #recovered(id: string, generation: number): void {
    if (this.#failed.get(id) !== generation) return;
    this.#failed.delete(id);
    this.#writes.write(() => {
      const record = this.#journal.store.endpoint(id);
      if (record?.state !== 'error' || record.generation !== generation) return;
      if (record.servingError?.code === 'crash_loop') return;
      this.#journal.moveEndpoint(id, 'recovered', { servingError: null });
    });
  }

  #ended(drain: EndedDrain): void {
    const { endpoint, generation, outcome, drainMs } = drain;
    this.#writes.write(() => {
      // A deleted endpoint has no record any more, and one whose generation already retired was seen to after a retry.
      if (this.#journal.store.generation(endpoint, generation)?.state !== 'draining') return;
      this.#journal.moveGeneration(endpoint, generation, retiredBy(outcome), drainMs);
      const record = this.#journal.endpoint(endpoint);
      if (record.state !== 'draining' || this.ledger.isDraining(endpoint)) return;
      this.#journal.moveEndpoint(endpoint, record.generation === null ? 'emptied' : 'drained');
    });
  }
}
