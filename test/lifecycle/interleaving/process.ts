import type { GatewayEvent, ProcessFigures } from '../../../src/protocol/control.ts';
import type { ProcessId } from '../../../src/lifecycle/data-plane.ts';
import { NO_FIGURES } from '../../../src/observe/figures.ts';
import type { Deployment } from '../../../src/serving/deployment.ts';
import { PreparedAhead } from '../../../src/supervisor/fleet/prepared-ahead.ts';
import { Harness } from '../../serving/harness.ts';
import type { ManualHandler, ManualPoolFactory, ManualPool } from '../../serving/manual-pool.ts';
import type { ManualClock } from '../../serving/manual-clock.ts';

/** What the world of a run does with the pools of every process. */
export interface Handlers {
  readonly handle: (process: SimulatedProcess, ...call: Parameters<ManualHandler>) => void;
  /** Holds a bind back until it resolves. */
  readonly beforeBind: (pool: ManualPool) => Promise<void>;
}

/**
 * A gateway process without a process: real serving over pools driven by hand, behind two channels that deliver one
 * message at a time, each in the order in which they were sent. When a message is delivered is up to the test.
 */
export class SimulatedProcess {
  readonly pid: ProcessId;
  readonly deployment: Deployment;
  readonly factory: ManualPoolFactory;
  readonly clock: ManualClock;
  /** To the process. */
  readonly inbox: (() => void)[] = [];
  /** From it. */
  readonly outbox: (() => void)[] = [];
  state: 'starting' | 'spare' | 'serving' | 'lost' = 'starting';
  /** It serves or did, as the control plane sees it. */
  hasServed = false;
  /** It takes requests, as it sees itself. */
  accepts = false;
  alive = true;
  /** The last figures it gave, without generations it has retired since. */
  figures: ProcessFigures | null = null;
  sentVersion = 0;
  readonly preparedAhead = new PreparedAhead();
  /** What ends the calls that have no answer yet. */
  readonly #unanswered = new Set<() => void>();
  readonly #onEvent: (event: GatewayEvent) => void;

  constructor(pid: ProcessId, handlers: Handlers, flipPage: Int32Array, onEvent: (event: GatewayEvent) => void) {
    this.pid = pid;
    this.#onEvent = onEvent;
    const harness = new Harness({ flipPage, emit: event => this.#tell(() => this.#onEvent(event)) });
    ({ deployment: this.deployment, factory: this.factory, clock: this.clock } = harness);
    this.factory.handler = (...call) => handlers.handle(this, ...call);
    this.factory.beforeBind = pool => handlers.beforeBind(pool);
    this.factory.bindFailure = ({ endpoint, generation, artifactPath }) =>
      artifactPath.includes('bad') || (artifactPath.includes('half') && this.#refuses(endpoint, generation))
        ? { code: 'symbol_missing', message: 'it is bad' }
        : null;
  }

  /** Sends a call before it returns; resolves with its answer, or with null when the process ended before. */
  call<T>(handle: () => T | Promise<T>): Promise<T | null> {
    const { promise, resolve } = Promise.withResolvers<T | null>();
    const end = (): void => resolve(null);
    this.#unanswered.add(end);
    const answer = (value: T): void =>
      this.#tell(() => {
        this.#unanswered.delete(end);
        resolve(value);
      });
    this.inbox.push(() => {
      const result = handle();
      if (result instanceof Promise) void result.then(answer);
      else answer(result);
    });
    return promise;
  }

  currentFigures(): ProcessFigures {
    const generations = [...this.deployment.endpoints].flatMap(endpoint => endpoint.generationFigures());
    return { ...NO_FIGURES, generations };
  }

  forgetGeneration(endpoint: string, generation: number): void {
    if (this.figures === null) return;
    const generations = this.figures.generations.filter(
      figures => figures.endpoint !== endpoint || figures.generation !== generation,
    );
    this.figures = { ...this.figures, generations };
  }

  /** Dies; what it had sent is still delivered, and `onEnd` after it. */
  die(onEnd: () => void): void {
    this.alive = false;
    this.accepts = false;
    this.inbox.length = 0;
    this.outbox.push(() => {
      for (const end of this.#unanswered) end();
      this.#unanswered.clear();
      onEnd();
    });
  }

  /** Half of the processes cannot prepare some code; what is committed, all can bind. */
  #refuses(id: string, generation: number): boolean {
    const endpoint = [...this.deployment.endpoints].find(one => one.id === id);
    return this.pid % 2 === 1 && endpoint?.prepared.has(generation) === true;
  }

  #tell(deliver: () => void): void {
    if (this.alive) this.outbox.push(deliver);
  }
}
