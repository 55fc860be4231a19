import { LIMITS } from '../config.ts';
import type { Compiler } from '../build/compiler.ts';
import type { GenerationSpec } from '../protocol/control.ts';
import type { BuildRecord } from '../store/records.ts';
import type { DataPlane, ProcessId } from './data-plane.ts';
import type { Journal } from './journal.ts';
import type { Routing } from './routing.ts';
import type { Turns } from './turns.ts';

export interface AheadParts {
  readonly journal: Journal;
  readonly compiler: Pick<Compiler, 'artifactPath'>;
  readonly dataPlane: DataPlane;
  readonly routing: Routing;
  readonly turns: Turns;
  /** How long one is kept for a deploy that may come. */
  readonly keptMs?: number;
}

/** A build that is bound in the gateway processes, under the number that the endpoint's next generation will have. */
interface Prepared {
  readonly serving: GenerationSpec;
  readonly digest: string;
  readonly holders: readonly ProcessId[];
  readonly timer: NodeJS.Timeout;
}

/**
 * Builds that are likely to be deployed next (one just compiled, one that a rollback would go back to) are prepared before
 * anybody asks, so that the deploy has nothing left to load. A few at a time, for a while, and never at another's cost: a
 * gateway process refuses when threads are short, and lets go when they become so. It is a guess, so nothing fails with it.
 */
export class Ahead {
  readonly #parts: AheadParts;
  /** By endpoint, oldest first. */
  readonly #prepared = new Map<string, Prepared>();

  constructor(parts: AheadParts) {
    this.#parts = parts;
  }

  /** Prepares `build` when nothing else is being done to its endpoint. Never rejects. */
  async guess(build: BuildRecord): Promise<void> {
    const id = build.endpointId;
    try {
      await this.#parts.turns.take(id, async () => this.#prepare(id, build));
    } catch (error) {
      this.#parts.journal.publish({
        type: 'failure',
        message: `Preparing ${id} ahead of its deploy: ${String(error)}`,
      });
    }
  }

  /**
   * What is prepared for the endpoint, if it is this build and every process that serves has it; the caller has the
   * endpoint's turn, and deploys it as its next generation.
   */
  take(id: string, { digest }: Pick<BuildRecord, 'digest'>): GenerationSpec | null {
    const prepared = this.#prepared.get(id);
    if (prepared?.digest !== digest || !this.#isHeldBy(this.#parts.dataPlane.holders(), prepared)) return null;
    this.#forget(id, prepared);
    return prepared.serving;
  }

  /** Lets go of what is prepared for the endpoint; the caller has its turn. */
  async drop(id: string): Promise<void> {
    const prepared = this.#prepared.get(id);
    if (prepared === undefined) return;
    this.#forget(id, prepared);
    await this.#parts.dataPlane.abandon(id, prepared.serving.generation);
  }

  async #prepare(id: string, build: BuildRecord): Promise<void> {
    const { journal, compiler, dataPlane, routing } = this.#parts;
    const endpoint = journal.store.endpoint(id);
    if (endpoint === null || !this.#isWorthIt(id, build)) return;
    await this.drop(id);
    await this.#makeRoom();
    const artifactPath = await compiler.artifactPath(build.digest);
    if (artifactPath === null) return;
    const holders = dataPlane.holders();
    const serving: GenerationSpec = { generation: journal.store.nextGeneration(id), artifactPath };
    const outcome = await dataPlane.prepare(routing.spec(endpoint, serving), true);
    if (!outcome.ok) return dataPlane.abandon(id, serving.generation);
    const timer = setTimeout(() => void this.#expire(id, serving), this.#parts.keptMs ?? LIMITS.preparedAheadMs);
    timer.unref();
    this.#prepared.set(id, { serving, digest: build.digest, holders, timer });
  }

  /** Only what serves is swapped in a hurry, and the same build again needs no swap. */
  #isWorthIt(id: string, { digest }: BuildRecord): boolean {
    const { store } = this.#parts.journal;
    const serving = store.endpoint(id)?.generation ?? null;
    if (serving === null || this.#prepared.get(id)?.digest === digest) return false;
    return store.build(store.generation(id, serving)?.buildId ?? '')?.digest !== digest;
  }

  async #makeRoom(): Promise<void> {
    const [oldest] = this.#prepared.keys();
    if (oldest !== undefined && this.#prepared.size >= LIMITS.preparedAheadMax) await this.drop(oldest);
  }

  async #expire(id: string, serving: GenerationSpec): Promise<void> {
    if (this.#prepared.get(id)?.serving === serving) await this.drop(id);
  }

  #forget(id: string, { timer }: Prepared): void {
    clearTimeout(timer);
    this.#prepared.delete(id);
  }

  #isHeldBy(holders: readonly ProcessId[], prepared: Prepared): boolean {
    return holders.every(holder => prepared.holders.includes(holder));
  }
}
