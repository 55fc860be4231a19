import { AdminError } from '../errors.ts';
import type { ControlEvent, EventBus } from '../observe/events.ts';
import type {
  EndpointChange,
  EndpointRecord,
  GenerationCause,
  GenerationChange,
  GenerationRecord,
  GenerationState,
  Store,
} from '../store/records.ts';
import { nextEndpointState, type EndpointEvent } from './states/endpoint-state.ts';
import { nextGenerationState, type GenerationEvent } from './states/generation-state.ts';

/** The times that belong to a state, set when it is entered. */
function timesOf(state: GenerationState, now: number): GenerationChange {
  if (state === 'serving') return { loadedAt: now };
  if (state === 'draining') return { drainingSince: now };
  return state === 'retired' ? { retiredAt: now } : {};
}

/**
 * Writes state changes: each goes through its transition table, and is told to the event bus once it is committed.
 */
export class Journal {
  readonly store: Store;
  readonly now: () => number;
  readonly #events: EventBus;
  /** Events of the transaction under way. */
  #held: ControlEvent[] | null = null;

  constructor(options: { store: Store; events: EventBus; now: () => number }) {
    this.store = options.store;
    this.now = options.now;
    this.#events = options.events;
  }

  /** @throws AdminError `endpoint_not_found` */
  endpoint(id: string): EndpointRecord {
    const record = this.store.endpoint(id);
    if (record === null) throw new AdminError('endpoint_not_found');
    return record;
  }

  /**
   * What an endpoint is now that was `before` when a call about it came. One that was deleted and created again is another.
   * @throws AdminError `endpoint_deleted`
   */
  same(before: Pick<EndpointRecord, 'id' | 'createdAt'>): EndpointRecord {
    const record = this.store.endpoint(before.id);
    if (record?.createdAt !== before.createdAt) throw new AdminError('endpoint_deleted');
    return record;
  }

  /** One commit for all of `work`; its events are published after it, and not at all when it fails. */
  transaction<T>(work: () => T): T {
    const { result, tell } = this.heldTransaction(work);
    tell();
    return result;
  }

  /** As `transaction`, but its events are published by `tell`: soon, for they go before all later ones. */
  heldTransaction<T>(work: () => T): { readonly result: T; readonly tell: () => void } {
    const held: ControlEvent[] = [];
    const tell = (): void => {
      for (const event of held) this.#events.publish(event);
    };
    this.#held = held;
    try {
      return { result: this.store.transaction(work), tell };
    } finally {
      this.#held = null;
    }
  }

  publish(event: ControlEvent): void {
    if (this.#held === null) this.#events.publish(event);
    else this.#held.push(event);
  }

  moveEndpoint(id: string, event: EndpointEvent, change: EndpointChange = {}): EndpointRecord {
    const before = this.endpoint(id);
    const state = nextEndpointState(before.state, event);
    const after = this.store.changeEndpoint(id, { ...change, state }, this.now());
    if (after.state !== before.state || after.generation !== before.generation) this.#tell(after, 'state');
    return after;
  }

  /** Changes fields that no state depends on. */
  changeEndpoint(id: string, change: EndpointChange): EndpointRecord {
    const after = this.store.changeEndpoint(id, change, this.now());
    this.#tell(after, 'changed');
    return after;
  }

  tellCreated(record: EndpointRecord): void {
    this.#tell(record, 'created');
  }

  tellDeleted(record: EndpointRecord): void {
    this.#tell(record, 'deleted');
  }

  addGeneration(endpointId: string, buildId: string, cause: GenerationCause): GenerationRecord {
    const record = this.store.addGeneration(endpointId, buildId, cause);
    this.#tellGeneration(record, null);
    return record;
  }

  moveGeneration(endpointId: string, generation: number, event: GenerationEvent, drainMs: number | null = null): void {
    const before = this.store.generation(endpointId, generation);
    if (before === null) return;
    const state = nextGenerationState(before.state, event);
    const outcome = event === 'drained' || event === 'forced' ? event : before.outcome;
    const change = { state, outcome, ...timesOf(state, this.now()) };
    this.#tellGeneration(this.store.changeGeneration(endpointId, generation, change), drainMs);
  }

  addRequests(endpointId: string, generation: number, requests: number): void {
    const record = requests === 0 ? null : this.store.generation(endpointId, generation);
    if (record === null) return;
    this.store.changeGeneration(endpointId, generation, { requests: record.requests + requests });
  }

  #tell(record: EndpointRecord, change: 'created' | 'changed' | 'state' | 'deleted'): void {
    this.publish({
      type: 'endpoint',
      endpoint: record.id,
      change,
      state: record.state,
      generation: record.generation,
    });
  }

  #tellGeneration(record: GenerationRecord, drainMs: number | null): void {
    const { endpointId, generation, state, outcome } = record;
    this.publish({ type: 'generation', endpoint: endpointId, generation, state, outcome, drainMs });
  }
}
