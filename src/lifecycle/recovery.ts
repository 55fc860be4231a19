import type { Compiler } from '../build/compiler.ts';
import type { EndpointSpec, GenerationSpec } from '../protocol/control.ts';
import { ABI_VERSION } from '../protocol/guard.ts';
import type { BuildRecord, EndpointChange, EndpointRecord, EndpointState } from '../store/records.ts';
import type { Journal } from './journal.ts';
import type { Routing } from './routing.ts';

export interface Recovery {
  /** What the gateway processes start with. */
  readonly endpoints: readonly EndpointSpec[];
  /** Builds that serve nothing now, because an older version of the gateway made them. */
  readonly outdated: readonly BuildRecord[];
}

interface RecoveryParts {
  readonly journal: Journal;
  readonly compiler: Pick<Compiler, 'artifactPath'>;
  readonly routing: Routing;
}

/** What is found of an endpoint that was deployed. */
type Found =
  | { readonly kind: 'ready'; readonly serving: GenerationSpec }
  | { readonly kind: 'outdated'; readonly build: BuildRecord }
  | { readonly kind: 'lost' };

const ERRORS = {
  outdated: 'The library was built by another version of the gateway; it is being built again.',
  lost: 'The library of the deployed build is missing or damaged; compile and deploy again.',
};

/**
 * Makes the store say what is true after a start: no request of the program's last run is left, and nothing is being
 * loaded. Deployed endpoints keep their generation and are served from its artifact; nothing is compiled.
 */
export async function recover(parts: RecoveryParts): Promise<Recovery> {
  endUnfinished(parts.journal);
  const endpoints: EndpointSpec[] = [];
  const outdated: BuildRecord[] = [];
  for (const record of parts.journal.store.endpoints()) {
    const found = record.generation === null ? null : await find(parts, record, record.generation);
    if (found?.kind === 'outdated') outdated.push(found.build);
    const after = correct(parts.journal, record, found);
    endpoints.push(parts.routing.adopt(after, found?.kind === 'ready' ? found.serving : null));
  }
  return { endpoints, outdated };
}

function endUnfinished(journal: Journal): void {
  journal.transaction(() => {
    for (const { endpointId, generation, state } of journal.store.generationsInState(['loading', 'draining'])) {
      journal.moveGeneration(endpointId, generation, state === 'loading' ? 'failed' : 'forced');
    }
  });
}

async function find({ journal, compiler }: RecoveryParts, record: EndpointRecord, generation: number): Promise<Found> {
  const buildId = journal.store.generation(record.id, generation)?.buildId;
  const build = buildId === undefined ? null : journal.store.build(buildId);
  if (build === null) return { kind: 'lost' };
  if (build.abi !== ABI_VERSION) return { kind: 'outdated', build };
  const artifactPath = await compiler.artifactPath(build.digest);
  return artifactPath === null ? { kind: 'lost' } : { kind: 'ready', serving: { generation, artifactPath } };
}

/**
 * Writes the state that follows from what was found, past the transition table: the events in between were the end of
 * the program and are not known.
 */
function correct(journal: Journal, record: EndpointRecord, found: Found | null): EndpointRecord {
  const change = correction(record, found, journal.now());
  return change === null ? record : journal.changeEndpoint(record.id, change);
}

function correction(record: EndpointRecord, found: Found | null, now: number): EndpointChange | null {
  const state = stateOf(record, found);
  if (found !== null && found.kind !== 'ready') {
    return { state, servingError: { code: 'load_failed', message: ERRORS[found.kind], at: now } };
  }
  const wasLoadError = record.state === 'error' && state === 'loaded';
  if (wasLoadError) return { state, servingError: null };
  return state === record.state ? null : { state };
}

function stateOf(record: EndpointRecord, found: Found | null): EndpointState {
  if (found === null) return record.buildId === null ? 'created' : 'compiled';
  return found.kind === 'ready' ? 'loaded' : 'error';
}
