import { isCrash, type FaultKind } from '../protocol/guard.ts';

/**
 * Decides when a generation is in a crash loop: when it has crashed so often in a row, with no good answer between. Any
 * reply of the handler is a good answer, whatever its status; panics and interrupted calls say nothing either way.
 *
 * Each gateway process counts for itself, and the first in which it trips speaks for all of them; one that takes the place
 * of another goes on with its rows.
 */
export class CrashStreak {
  readonly #crashesMax: number;
  #crashes = 0;

  /** `crashesMax` 0: it never trips. */
  constructor(crashesMax: number) {
    this.#crashesMax = crashesMax;
  }

  /** Crashes since the last good answer. */
  get crashes(): number {
    return this.#crashes;
  }

  /** It is in a crash loop, for good. */
  get hasTripped(): boolean {
    return this.#crashesMax > 0 && this.#crashes >= this.#crashesMax;
  }

  /** Takes over a row that was begun in a process whose place this one takes; the next crash at the latest trips it. */
  resume(crashes: number): void {
    if (!this.hasTripped && this.#crashesMax > 0)
      this.#crashes = Math.max(this.#crashes, Math.min(crashes, this.#crashesMax - 1));
  }

  answered(): void {
    if (!this.hasTripped) this.#crashes = 0;
  }

  /** True: with this fault it has tripped. */
  faulted(kind: FaultKind): boolean {
    if (this.hasTripped || !isCrash(kind)) return false;
    this.#crashes += 1;
    return this.hasTripped;
  }
}
