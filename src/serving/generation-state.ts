/**
 * A generation in one gateway process:
 *
 *     prepared ──commit──► serving ──superseded, undeployed──► draining ──last image unmapped──► retired
 *         └──────────────abandoned──────────────────────────────►┘
 */
export type GenerationState = 'prepared' | 'serving' | 'draining' | 'retired';

export const GENERATION_TRANSITIONS: Readonly<Record<GenerationState, readonly GenerationState[]>> = {
  prepared: ['serving', 'draining'],
  serving: ['draining'],
  draining: ['retired'],
  retired: [],
};
