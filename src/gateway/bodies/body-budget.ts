/** All request bodies one gateway process holds at once (BODIES_MAX_MB), in bytes. */
export class BodyBudget {
  readonly #bytesMax: number;
  #bytesHeld = 0;

  constructor(bytesMax: number) {
    this.#bytesMax = bytesMax;
  }

  get bytesHeld(): number {
    return this.#bytesHeld;
  }

  fits(bytes: number): boolean {
    return this.#bytesHeld + bytes <= this.#bytesMax;
  }

  /** false: there is no room, and nothing was taken. */
  take(bytes: number): boolean {
    if (!this.fits(bytes)) return false;
    this.#bytesHeld += bytes;
    return true;
  }

  release(bytes: number): void {
    this.#bytesHeld -= bytes;
  }
}
