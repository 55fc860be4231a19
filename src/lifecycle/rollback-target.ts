import type { BuildRecord, GenerationRecord } from '../store/records.ts';

export interface RollbackView {
  /** Newest first. */
  readonly generations: readonly GenerationRecord[];
  /** The generation that serves (or should); null: none. */
  readonly serving: number | null;
  build(id: string): BuildRecord | null;
}

export const hasServed = (generation: GenerationRecord): boolean => generation.loadedAt !== null;

/**
 * The build that served immediately before the one that serves now; null: there was none, or it is no longer kept.
 * Deploying the same artifact again is no change, so generations with the serving one's content are passed over.
 */
export function buildServedBefore(view: RollbackView): BuildRecord | null {
  const current = view.generations.find(generation => generation.generation === view.serving);
  const currentDigest = current === undefined ? null : view.build(current.buildId)?.digest;
  for (const earlier of view.generations) {
    if (current !== undefined && earlier.generation >= current.generation) continue;
    if (!hasServed(earlier)) continue;
    const build = view.build(earlier.buildId);
    if (build !== null && build.digest !== currentDigest) return build;
  }
  return null;
}
