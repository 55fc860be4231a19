import type { EndpointSpec, GatewayEvent, GenerationSpec } from '../../protocol/control.ts';

/**
 * What a process has prepared ahead and has not let go of, as far as it has told: a deploy need not ask it to prepare that.
 * It may be letting go at this very moment; then it loads the generation again when that is committed.
 */
export class PreparedAhead {
  /** By endpoint; those that were asked for and not answered yet, too. */
  readonly #generations = new Map<string, GenerationSpec>();
  readonly #unanswered = new Set<GenerationSpec>();

  has({ id, serving }: EndpointSpec): boolean {
    const known = this.#generations.get(id);
    if (known === undefined || serving === null || this.#unanswered.has(known)) return false;
    return known.generation === serving.generation && known.artifactPath === serving.artifactPath;
  }

  /** The process is asked to prepare it. @returns what to call with its answer; whatever it is told meanwhile counts more */
  ask({ id, serving }: EndpointSpec): (isPrepared: boolean) => void {
    if (serving === null) return () => {};
    this.#generations.set(id, serving);
    this.#unanswered.add(serving);
    return isPrepared => {
      this.#unanswered.delete(serving);
      if (!isPrepared && this.#generations.get(id) === serving) this.#generations.delete(id);
    };
  }

  /** The process was told to let go of this generation. */
  abandoned(endpoint: string, generation: number): void {
    if (this.#generations.get(endpoint)?.generation === generation) this.#generations.delete(endpoint);
  }

  /** The process was told what the endpoint is from now on: nothing of before can be relied upon. */
  committed(endpoint: string): void {
    this.#generations.delete(endpoint);
  }

  note(event: GatewayEvent): void {
    if (event.kind === 'gave_way') this.abandoned(event.endpoint, event.generation);
  }
}
