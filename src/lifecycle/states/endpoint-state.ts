/**
 * The states of an endpoint.
 * ```
 *  created ──built──► compiled ──swapped──► loaded ──requests_left, undeploying──► draining
 *                        ▲                    ▲ └──failed, crash_looped──► error     │ │
 *                        │                    └──────────────drained────────────────┘ │
 *                        └───────────────────────────────────emptied──────────────────┘
 * ```
 */
import type { EndpointRecord, EndpointState, LastError } from '../../store/records.ts';
import { follow, type TransitionTable } from './transition.ts';

export type EndpointEvent =
  /** A build succeeded; it touches nothing that runs. */
  | 'built'
  /** A build failed; what is there stays. */
  | 'build_failed'
  /** A new generation takes the new requests. */
  | 'swapped'
  /** After a swap an older generation still has requests in flight. */
  | 'requests_left'
  /** The serving generation is being taken away, and nothing follows it. */
  | 'undeploying'
  /** The last older generation has ended, and one serves. */
  | 'drained'
  /** The last generation has ended, and none serves. */
  | 'emptied'
  /** The generation that should serve cannot. */
  | 'failed'
  /** The generation that should serve crashes and crashes: it was taken away, and only another one mends that. */
  | 'crash_looped'
  /** One that had failed can serve again. */
  | 'recovered';

export const ENDPOINT_TRANSITIONS: TransitionTable<EndpointState, EndpointEvent> = {
  built: { created: 'compiled', compiled: 'compiled', loaded: 'loaded', draining: 'draining', error: 'error' },
  build_failed: { created: 'created', compiled: 'compiled', loaded: 'loaded', draining: 'draining', error: 'error' },
  swapped: { compiled: 'loaded', loaded: 'loaded', draining: 'draining', error: 'loaded' },
  requests_left: { loaded: 'draining', draining: 'draining' },
  undeploying: { loaded: 'draining', draining: 'draining', error: 'draining' },
  drained: { draining: 'loaded' },
  emptied: { draining: 'compiled' },
  failed: { loaded: 'error', draining: 'error', error: 'error' },
  crash_looped: { loaded: 'error', draining: 'error', error: 'error' },
  recovered: { error: 'loaded' },
};

/** The endpoint's last error as it is shown: the newer one of the two there can be. */
export function lastErrorOf({
  buildError,
  servingError,
}: Pick<EndpointRecord, 'buildError' | 'servingError'>): LastError | null {
  if (buildError === null || servingError === null) return buildError ?? servingError;
  return buildError.at < servingError.at ? servingError : buildError;
}

export const nextEndpointState = (state: EndpointState, event: EndpointEvent): EndpointState =>
  follow(ENDPOINT_TRANSITIONS, state, event);
