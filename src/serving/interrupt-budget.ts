import type { GatewayEvent } from '../protocol/control.ts';

/**
 * Counts the calls that had to be interrupted. Each leaves what libc had allocated for it, and is a chance, however
 * small, of damage that nobody sees; so after `interruptsMax` of them (0: never) the process asks to be replaced, once.
 */
export class InterruptBudget {
  readonly #interruptsMax: number;
  #interrupts = 0;

  constructor(interruptsMax: number) {
    this.#interruptsMax = interruptsMax;
  }

  /** What has to be told after `event`, if anything. */
  after(event: GatewayEvent): GatewayEvent | null {
    if (event.kind !== 'fault' || event.fault.kind !== 'interrupted') return null;
    this.#interrupts += 1;
    if (this.#interrupts !== this.#interruptsMax) return null;
    const message = `${this.#interrupts} calls were interrupted, which is what INTERRUPTS_MAX allows one process.`;
    return { kind: 'replace_me', reason: 'interrupts', message };
  }
}
