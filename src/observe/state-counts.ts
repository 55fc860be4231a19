import type { EndpointState, Store } from '../store/records.ts';
import type { StateCounts } from './metrics.ts';

export function endpointsByState(store: Store): Record<EndpointState, number> {
  const counts = { created: 0, compiled: 0, loaded: 0, draining: 0, error: 0 };
  for (const { state } of store.endpoints()) counts[state] += 1;
  return counts;
}

const GENERATION_STATES = ['loading', 'serving', 'draining', 'retired', 'failed'] as const;

export function stateCounts(store: Store): StateCounts {
  const generations = { loading: 0, serving: 0, draining: 0, retired: 0, failed: 0 };
  for (const { state } of store.generationsInState(GENERATION_STATES)) generations[state] += 1;
  return { endpoints: endpointsByState(store), generations };
}
