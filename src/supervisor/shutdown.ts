import { constants } from 'node:os';
import { LIMITS } from '../config.ts';
import type { Logger } from '../observe/log.ts';

type StopSignal = 'SIGTERM' | 'SIGINT';
const STOP_SIGNALS: readonly StopSignal[] = ['SIGTERM', 'SIGINT'];

/** What has to be closed at the end, in order; a step that fails does not keep the next from its turn. */
export interface ShutdownStep {
  readonly name: string;
  run(): void | Promise<void>;
}

export interface ShutdownOptions {
  readonly log: Logger;
  readonly exit: (status: number) => void;
  readonly now?: () => number;
}

/** Ends the program in order at the first SIGTERM or SIGINT, and at once at a second one that is meant. */
export class Shutdown {
  readonly #options: ShutdownOptions;
  readonly #now: () => number;
  readonly #steps: ShutdownStep[] = [];
  #signalledAt: number | null = null;

  constructor(options: ShutdownOptions) {
    this.#options = options;
    this.#now = options.now ?? (() => performance.now());
  }

  /** Steps run in the order they were added. */
  add(name: string, run: () => void | Promise<void>): void {
    this.#steps.push({ name, run });
  }

  listen(): void {
    for (const signal of STOP_SIGNALS) process.on(signal, () => this.receive(signal));
  }

  receive(signal: StopSignal): void {
    const now = this.#now();
    if (this.#signalledAt === null) {
      this.#signalledAt = now;
      void this.#end(signal);
    } else if (now - this.#signalledAt > LIMITS.secondSignalMs) {
      this.#options.exit(128 + constants.signals[signal]);
    }
  }

  async #end(signal: StopSignal): Promise<void> {
    const { log, exit } = this.#options;
    log.info({ event: 'shutdown', signal }, 'finishing what is in flight; a second signal ends at once');
    for (const step of this.#steps) {
      try {
        await step.run();
      } catch (error) {
        log.error({ event: 'shutdown_failed', step: step.name, err: error }, `could not close ${step.name}`);
      }
    }
    log.info({ event: 'stopped' }, 'stopped');
    exit(0);
  }
}
