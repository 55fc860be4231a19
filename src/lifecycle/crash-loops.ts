import type { Bake, Bakes } from './bakes.ts';
import type { Deployer } from './deployer.ts';
import type { Journal } from './journal.ts';
import type { LateWrites } from './late-writes.ts';
import type { Routing } from './routing.ts';
import type { Turns } from './turns.ts';

export interface CrashLoopsParts {
  readonly journal: Journal;
  readonly writes: LateWrites;
  readonly turns: Turns;
  readonly routing: Routing;
  readonly deployer: Deployer;
  readonly bakes: Bakes;
}

/** A gateway process gives a generation no more requests, since it has crashed so often in a row. */
interface CrashLoop {
  readonly endpoint: string;
  readonly generation: number;
  readonly crashes: number;
}

const WHAT_TO_DO =
  "The endpoint's log has its crashes; deploy a build that does not crash, or roll back. A restart of the gateway tries it again.";

/**
 * Ends crash loops: a generation that bakes makes room for the one before it, any other is taken away in every
 * gateway process, and its endpoint goes to `error`.
 */
export class CrashLoops {
  readonly #parts: CrashLoopsParts;

  constructor(parts: CrashLoopsParts) {
    this.#parts = parts;
  }

  /** Takes its turn, so a deploy under way comes first, and wins when it succeeds. Never rejects. */
  async report(crashLoop: CrashLoop): Promise<void> {
    const { bakes, turns, journal } = this.#parts;
    const { endpoint, generation } = crashLoop;
    // Now: it must not have baked to the end because the turn was waited for.
    const bake = bakes.crashLooped(endpoint, generation, performance.now());
    try {
      await turns.take(endpoint, async () => this.#end(crashLoop, bake));
    } catch (error) {
      journal.publish({ type: 'failure', message: String(error) });
    }
  }

  async #end(crashLoop: CrashLoop, bake: Bake | null): Promise<void> {
    const { journal, routing } = this.#parts;
    // Another one serves by now, or none, or a second process has come to the same end.
    if (!routing.isServing(crashLoop.endpoint, crashLoop.generation)) return;
    journal.publish({ type: 'crash_loop', ...crashLoop });
    if (bake === null || !this.#isOtherBuild(crashLoop.endpoint, bake)) {
      return this.#takeAway(crashLoop, `${crashed(crashLoop)}, with no good answer between. ${WHAT_TO_DO}`);
    }
    try {
      await this.#goBack(crashLoop, bake);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const failed = `going back to generation ${bake.before} failed: ${reason}`;
      await this.#takeAway(crashLoop, `${crashed(crashLoop, bake)}, and ${failed} ${WHAT_TO_DO}`);
    }
  }

  /** The same artifact again would crash again. */
  #isOtherBuild(endpoint: string, { generation, before }: Bake): boolean {
    const { store } = this.#parts.journal;
    const digestOf = (number: number): string | undefined =>
      store.build(store.generation(endpoint, number)?.buildId ?? '')?.digest;
    return digestOf(before) !== digestOf(generation);
  }

  /** @throws AdminError when there is nothing to go back to any more, or it cannot be loaded */
  async #goBack(crashLoop: CrashLoop, bake: Bake): Promise<void> {
    const { journal, deployer } = this.#parts;
    const { endpoint, generation: from } = crashLoop;
    const messageFor = (to: number): string =>
      `${crashed(crashLoop, bake)}; generation ${to} serves the build of generation ${bake.before} again.`;
    const { generation: to } = await deployer.deployBuild(endpoint, () => deployer.buildOf(endpoint, bake.before), {
      startedAt: performance.now(),
      cause: 'automatic_rollback',
      bakeMs: 0,
      servingError: generation => ({ code: 'rolled_back', message: messageFor(generation), at: journal.now() }),
    });
    const details = { restored: bake.before, reason: 'crash_loop', message: messageFor(to) } as const;
    journal.publish({ type: 'rollback', endpoint, from, to, ...details });
  }

  /** The generation stays the one that should serve: a start of the program tries it again. */
  async #takeAway({ endpoint, generation }: CrashLoop, message: string): Promise<void> {
    const { journal, writes, routing } = this.#parts;
    const servingError = { code: 'crash_loop', message, at: journal.now() };
    writes.write(() => {
      if (journal.store.endpoint(endpoint)?.generation !== generation) return;
      journal.moveEndpoint(endpoint, 'crash_looped', { servingError });
    });
    await routing.swap(journal.endpoint(endpoint), null, null);
  }
}

function crashed({ generation, crashes }: CrashLoop, bake: Bake | null = null): string {
  const within = bake === null ? '' : ` within ${bake.bakeMs / 1_000} s of its deploy`;
  return `Generation ${generation} crashed ${crashes} times in a row${within}`;
}
