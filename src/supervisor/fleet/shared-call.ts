/**
 * A call that is made once at a time, however many ask for it. Those who come while one is under way share the next: the
 * answer to that one may be from before they came.
 */
export class SharedCall<T> {
  readonly #call: () => Promise<T>;
  #current: Promise<T> | null = null;
  #next: Promise<T> | null = null;

  /** `call` must not reject. */
  constructor(call: () => Promise<T>) {
    this.#call = call;
  }

  async run(): Promise<T> {
    if (this.#current === null) return this.#begin();
    this.#next ??= this.#current.then(() => {
      this.#next = null;
      return this.#begin();
    });
    return this.#next;
  }

  #begin(): Promise<T> {
    const current = this.#call();
    this.#current = current;
    // Registered before anyone else can wait for it, so the next one finds none under way.
    void current.then(() => {
      if (this.#next === null) this.#current = null;
    });
    return current;
  }
}
