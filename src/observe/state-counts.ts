import type { EndpointState, Store } from '../store/records.ts';
import type { StateCounts } from './metrics.ts';

export function endpointsByState(store: Store): Record<EndpointState, number> {
  const counts = { created: 0, compiled: 0, loaded: 0, draining: 0, error: 0 };
  for (const { state } of store.endpoints()) counts[state] += 1;
  return counts;
}

/** Generations that are over are history, not state: they are not counted. */
export function stateCounts(store: Store): StateCounts {
  const generations = { loading: 0, serving: 0, draining: 0 };
  for (const { state } of store.generationsInState(['loading', 'serving', 'draining'])) {
    if (state === 'loading' || state === 'serving' || state === 'draining') generations[state] += 1;
  }
  return { endpoints: endpointsByState(store), generations };
}
