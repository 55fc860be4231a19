export interface BoundGeneration {
  readonly endpoint: string;
  readonly generation: number;
}

interface Bind extends BoundGeneration {
  count: number;
}

const keyOf = (endpoint: string, generation: number): string => `${endpoint}#${generation}`;

/** The binds a gateway process has announced and not finished: when it dies, they are what it died of. */
export class BindsUnderWay {
  readonly #binds = new Map<string, Bind>();

  begin(endpoint: string, generation: number): void {
    const bind = this.#binds.get(keyOf(endpoint, generation)) ?? { endpoint, generation, count: 0 };
    bind.count += 1;
    this.#binds.set(keyOf(endpoint, generation), bind);
  }

  end(endpoint: string, generation: number): void {
    const bind = this.#binds.get(keyOf(endpoint, generation));
    if (bind === undefined) return;
    bind.count -= 1;
    if (bind.count === 0) this.#binds.delete(keyOf(endpoint, generation));
  }

  has(endpoint: string, generation: number): boolean {
    return this.#binds.has(keyOf(endpoint, generation));
  }

  all(): readonly BoundGeneration[] {
    return [...this.#binds.values()];
  }
}

/** Processes a bind may kill before its endpoint goes to `error`. */
const DEATHS_MAX = 2;

/**
 * Counts the processes that died while they bound the same generation. The first death may have several candidates; the
 * next process binds one after the other, so that a second death has only one.
 */
export class DeadlyBinds {
  /** By endpoint: of the generation that it serves. */
  readonly #deaths = new Map<string, { readonly generation: number; count: number }>();

  /** A process has died in a bind, and it is not known whether that was the cause. */
  get any(): boolean {
    return this.#deaths.size > 0;
  }

  /** The bind was finished by a process: it was not what the others died of. */
  survived(endpoint: string, generation: number): void {
    if (this.#deaths.get(endpoint)?.generation === generation) this.#deaths.delete(endpoint);
  }

  /** The endpoint serves another generation from now on, or none: what it served before is not bound again. */
  superseded(endpoint: string, serving: number | null): void {
    if (this.#deaths.get(endpoint)?.generation !== serving) this.#deaths.delete(endpoint);
  }

  /** `binds`: of generations that their endpoints serve. @returns those that have now killed too many. */
  record(binds: readonly BoundGeneration[]): readonly BoundGeneration[] {
    return binds.filter(({ endpoint, generation }) => {
      const known = this.#deaths.get(endpoint);
      const deaths = known?.generation === generation ? known : { generation, count: 0 };
      this.#deaths.set(endpoint, deaths);
      deaths.count += 1;
      if (deaths.count < DEATHS_MAX) return false;
      this.#deaths.delete(endpoint);
      return true;
    });
  }
}
