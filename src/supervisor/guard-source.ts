/** The guard library's path, built at most once at a time; a failure is forgotten, so that the next caller tries again. */
export class GuardSource {
  readonly #build: () => Promise<string>;
  #building: Promise<string> | null = null;
  #path: string | null = null;

  constructor(build: () => Promise<string>) {
    this.#build = build;
  }

  /** null while it is not there. */
  get path(): string | null {
    return this.#path;
  }

  /** @throws AdminError `toolchain_missing`, `compile_failed` */
  async ensure(): Promise<string> {
    if (this.#path !== null) return this.#path;
    this.#building ??= this.#build().finally(() => {
      this.#building = null;
    });
    this.#path = await this.#building;
    return this.#path;
  }
}
