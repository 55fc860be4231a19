/**
 * Whose turn it is to compile. Each endpoint has a lane: one build at a time and at most one that waits, which further
 * requests join. Builds of all lanes share a few slots.
 */
import PQueue from 'p-queue';
import type { BuildRecord } from '../store/records.ts';
import type { CompileInput } from './compiler.ts';

export interface CompileWork {
  /** An answer without a build, so without a slot; null when there is none. */
  answer(input: CompileInput): Promise<BuildRecord | null>;
  build(input: CompileInput): Promise<BuildRecord>;
}

/** A request that waits, and those that joined it: the newest input is the one that will be built. */
interface Waiting {
  input: CompileInput;
  readonly result: Promise<BuildRecord>;
}

const PRIORITY = { build: 1, background: 0 } as const;

export class CompileQueue {
  readonly #slots: PQueue;
  readonly #work: CompileWork;
  readonly #waiting = new Map<string, Waiting>();
  /** The end of each lane: settles, always with success, when the lane is free. */
  readonly #lanes = new Map<string, Promise<void>>();

  constructor(options: { concurrency: number; work: CompileWork }) {
    this.#slots = new PQueue({ concurrency: options.concurrency });
    this.#work = options.work;
  }

  submit(input: CompileInput): Promise<BuildRecord> {
    const { endpointId } = input;
    const waiting = this.#waiting.get(endpointId);
    if (waiting !== undefined) {
      waiting.input = input;
      return waiting.result;
    }
    const result = this.inLane(endpointId, () => this.#take(endpointId));
    this.#waiting.set(endpointId, { input, result });
    return result;
  }

  /** Runs `work` when everything asked for before in the endpoint's lane is over. */
  inLane<T>(endpointId: string, work: () => Promise<T>): Promise<T> {
    const before = this.#lanes.get(endpointId) ?? Promise.resolve();
    const result = before.then(work);
    const leave = (): void => {
      if (this.#lanes.get(endpointId) === lane) this.#lanes.delete(endpointId);
    };
    const lane = result.then(leave, leave);
    this.#lanes.set(endpointId, lane);
    return result;
  }

  /** Work that needs a slot, and gets one when no build waits for it. */
  inBackground(work: () => Promise<void>): Promise<void> {
    return this.#slots.add(work, { priority: PRIORITY.background });
  }

  /** Settles when nothing runs or waits. */
  async idle(): Promise<void> {
    await Promise.all(this.#lanes.values());
    await this.#slots.onIdle();
  }

  async #take(endpointId: string): Promise<BuildRecord> {
    const asked = this.#waiting.get(endpointId)?.input;
    if (asked === undefined) throw new Error('a lane was taken with nothing waiting in it');
    const answer = await this.#work.answer(asked).catch((error: unknown) => {
      this.#waiting.delete(endpointId);
      throw error;
    });
    // Somebody may have joined with another input while the answer was looked for.
    if (answer !== null && this.#waiting.get(endpointId)?.input === asked) {
      this.#waiting.delete(endpointId);
      return answer;
    }
    const start = (): Promise<BuildRecord> => {
      const newest = this.#waiting.get(endpointId)?.input ?? asked;
      this.#waiting.delete(endpointId);
      return this.#work.build(newest);
    };
    return this.#slots.add(start, { priority: PRIORITY.build });
  }
}
