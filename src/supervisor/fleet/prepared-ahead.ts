import type { EndpointSpec, GatewayEvent, GenerationSpec } from '../../protocol/control.ts';

/**
 * What a process has prepared ahead and has not let go of, as far as it has told: a deploy need not ask it to prepare that.
 * It may be letting go at this very moment; then it loads the generation again when that is committed.
 */
export class PreparedAhead {
  /** By endpoint. */
  readonly #generations = new Map<string, GenerationSpec>();

  has({ id, serving }: EndpointSpec): boolean {
    const known = this.#generations.get(id);
    if (known === undefined || serving === null) return false;
    return known.generation === serving.generation && known.artifactPath === serving.artifactPath;
  }

  /** The process has answered that it is prepared. */
  add({ id, serving }: EndpointSpec): void {
    if (serving !== null) this.#generations.set(id, serving);
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
