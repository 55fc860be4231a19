import type { GenerationRecord } from '../store/records.ts';
import { hasServed } from './rollback-target.ts';

/** Generations that are looked back over. */
export const LIKELY_NEXT_DEPTH = 10;

/**
 * Id of the build that is likely to be deployed next, of an endpoint that was just deployed: the one that followed when
 * the same build served before, as with people who go back and forth between two, or round several; else the one that
 * served last, to which a rollback would go back. null: there is none.
 *
 * @param generations newest first
 */
export function likelyNextBuild(generations: readonly GenerationRecord[]): string | null {
  const [serving, ...earlier] = generations.filter(hasServed).map(({ buildId }) => buildId);
  const followed = earlier.find((buildId, index) => buildId !== serving && earlier[index + 1] === serving);
  return followed ?? earlier.find(buildId => buildId !== serving) ?? null;
}
