/**
 * The states of a generation.
 * ```
 *  loading ──ready──► serving ──superseded──► draining ──drained──► retired (drained)
 *     └──failed──► failed                         └────forced────► retired (forced)
 * ```
 */
import type { DrainOutcome, GenerationState } from '../../store/records.ts';
import { follow, type TransitionTable } from './transition.ts';

export type GenerationEvent =
  /** Loaded in every gateway process; it serves from the commit on. */
  | 'ready'
  /** It could not be loaded, or the program ended while it was being loaded. */
  | 'failed'
  /** Another generation serves in its place, or none (undeploy). */
  | 'superseded'
  /** Its last request has ended, and it is unmapped everywhere. */
  | 'drained'
  /** It was taken away before its last request had ended. */
  | 'forced';

export const GENERATION_TRANSITIONS: TransitionTable<GenerationState, GenerationEvent> = {
  ready: { loading: 'serving' },
  failed: { loading: 'failed' },
  superseded: { serving: 'draining' },
  drained: { draining: 'retired' },
  forced: { draining: 'retired' },
};

export const nextGenerationState = (state: GenerationState, event: GenerationEvent): GenerationState =>
  follow(GENERATION_TRANSITIONS, state, event);

/** The event with which a drain of this outcome ends. */
export const retiredBy = (outcome: DrainOutcome): GenerationEvent => (outcome === 'forced' ? 'forced' : 'drained');
