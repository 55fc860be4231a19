/** The endpoints of a chaos run: those that are only asked, those that are changed, and those that do wrong. */
import type { EndpointOptions } from '../support/gateway.ts';
import { MISBEHAVING_OPTIONS, misbehaving, witnessing } from './handlers.ts';

export interface ChaosEndpoint {
  readonly id: string;
  readonly code: (text: string) => string;
  readonly options: Partial<EndpointOptions>;
  /** Builds it is given at the start: as many generations to go back to. */
  readonly builds: number;
  /**
   * Its images are bound again and again, so it needs disk and descriptors to go on serving: after faults, for another
   * number of threads, or because it is not asked so often in every process that it never sleeps.
   */
  readonly rebinds: boolean;
}

const healthy = (id: string, builds: number, options: Partial<EndpointOptions> = {}): ChaosEndpoint => ({
  id,
  code: witnessing,
  options: { method: 'ANY', ...options },
  builds,
  rebinds: true,
});

/** Asked so often, over new connections too, that no process lets it sleep. */
const busy = (id: string, builds: number): ChaosEndpoint => ({ ...healthy(id, builds), rebinds: false });

const misbehaved = (id: string, threads: number, timeoutMs: number): ChaosEndpoint => ({
  id,
  code: misbehaving,
  options: { ...MISBEHAVING_OPTIONS, method: 'ANY', timeout_ms: timeoutMs, threads },
  builds: 2,
  rebinds: true,
});

/** Never changed and never at fault: it has to answer whatever happens to the others. */
export const STEADY = 'steady';
/** Takes bodies and tells their digests. */
export const ECHO = 'echo';
/** Swapped under load. */
export const SWAPPED = ['swapped-1', 'swapped-2'] as const;
/** Undeployed and deployed again under load. */
export const PARKED = 'parked';
/** Asked in bursts with pauses between, in which it goes to sleep. */
export const DROWSY = ['drowsy-1', 'drowsy-2', 'drowsy-3'] as const;
/** Its timeout and its threads change under load. */
export const RETIMED = 'retimed';
/** Its requests take longer than its drains may. */
export const FORCED = 'forced';
export const FORCED_DRAIN_MS = 150;
/** Their handlers crash, with all the time they like. */
export const CRASHING = ['crashing-1', 'crashing-2'] as const;
/** Their handlers crash, and burn or block until a deadline that is short, since much of that has to happen. */
export const HASTY = ['hasty-1', 'hasty-2'] as const;
export const FAULTY = [...CRASHING, ...HASTY] as const;

export const RETIMED_TIMEOUTS_MS = [150, 300, 1_000] as const;
const HASTY_TIMEOUT_MS = 300;
export const TIMEOUT_MS = 30_000;
/** Timeouts as short as this pass by themselves when the machine is busy; longer ones do not. */
export const SHORT_TIMEOUT_MS = 1_000;

export const ENDPOINTS: readonly ChaosEndpoint[] = [
  busy(STEADY, 1),
  ...SWAPPED.map(id => busy(id, 3)),
  healthy(ECHO, 1),
  healthy(PARKED, 2),
  ...DROWSY.map(id => healthy(id, 2)),
  healthy(RETIMED, 1, { timeout_ms: RETIMED_TIMEOUTS_MS[1] }),
  healthy(FORCED, 2, { drain_timeout_ms: FORCED_DRAIN_MS }),
  ...CRASHING.map((id, index) => misbehaved(id, 1 + index, TIMEOUT_MS)),
  ...HASTY.map((id, index) => misbehaved(id, 1 + index, HASTY_TIMEOUT_MS)),
];

export const timeoutOf = ({ options }: ChaosEndpoint): number => Number(options['timeout_ms'] ?? TIMEOUT_MS);
