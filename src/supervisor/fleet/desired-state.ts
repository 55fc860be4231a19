import type { EndpointSpec } from '../../protocol/control.ts';

export interface Change {
  readonly version: number;
  readonly id: string;
  /** null: deleted. */
  readonly endpoint: EndpointSpec | null;
}

/** What every gateway process should serve; each change has a version of its own, counting up. */
export class DesiredState {
  readonly #changes = new Map<string, Change>();
  #version = 0;

  get version(): number {
    return this.#version;
  }

  /** `flipPlace`: where the flip page tells of it, if there. */
  set(id: string, endpoint: EndpointSpec | null, flipPlace: number | null = null): Change {
    this.#version += 1;
    const change = { version: this.#version, id, endpoint: endpoint === null ? null : { ...endpoint, flipPlace } };
    // Set anew, so that the map stays in the order of versions.
    this.#changes.delete(id);
    this.#changes.set(id, change);
    return change;
  }

  endpoint(id: string): EndpointSpec | null {
    return this.#changes.get(id)?.endpoint ?? null;
  }

  endpoints(): readonly EndpointSpec[] {
    return [...this.#changes.values()].flatMap(({ endpoint }) => (endpoint === null ? [] : [endpoint]));
  }

  /** What a process at `version` has not heard yet, oldest first. */
  since(version: number): readonly Change[] {
    return [...this.#changes.values()].filter(change => change.version > version);
  }

  /** Drops the memory of deletions that every process has heard of. @returns the endpoints */
  forgetDeletions(version: number): readonly string[] {
    const forgotten: string[] = [];
    for (const { id, endpoint, version: deletedAt } of this.#changes.values()) {
      if (endpoint === null && deletedAt <= version) forgotten.push(id);
    }
    for (const id of forgotten) this.#changes.delete(id);
    return forgotten;
  }
}
