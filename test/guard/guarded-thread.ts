/** A worker thread with the guard in it, as the tests' main thread sees it. */
import { once } from 'node:events';
import { Worker } from 'node:worker_threads';
import type { Fault, HandlerLogLine } from '../../src/protocol/guard.ts';

export interface WorkerOptions {
  readonly guardPath: string;
}

export interface BindResult {
  /** Negative: one of BIND_ERRORS. */
  readonly image: number;
  readonly message: string;
  readonly fault: Fault;
}

export type CallResult =
  | {
      readonly kind: 'reply' | 'operation' | 'dropped' | 'nothing';
      readonly body: string;
      readonly logBytes: number;
    }
  | {
      readonly kind: 'fault';
      readonly fault: Fault;
      readonly message: string;
      readonly waits: number;
      readonly patched: number;
      readonly logBytes: number;
    };

/** What the worker does on request. */
export interface Commands {
  slot(): number;
  reopen(): number;
  bind(path: string, limitMs: number): BindResult;
  /** `path` may have a query behind a question mark. */
  call(image: number, path: string, limitMs: number): CallResult;
  trim(image: number): CallResult;
  resume(image: number): CallResult;
  cancel(image: number): CallResult;
  unbind(image: number, cleanMs: number): number;
  takeLog(cap?: number): HandlerLogLine[];
}

export class GuardedThread {
  readonly #worker: Worker;
  readonly #waiting = new Map<number, (result: unknown) => void>();
  #requests = 0;

  constructor(options: WorkerOptions) {
    this.#worker = new Worker(new URL('guarded-worker.ts', import.meta.url), { workerData: options });
    this.#worker.on('message', ({ id, result }: { id: number; result: unknown }) => {
      this.#waiting.get(id)?.(result);
      this.#waiting.delete(id);
    });
  }

  /** Has the worker carry out one command. */
  run<N extends keyof Commands>(name: N, ...args: Parameters<Commands[N]>): Promise<ReturnType<Commands[N]>> {
    const id = this.#requests++;
    return new Promise(resolve => {
      this.#waiting.set(id, result => resolve(result as ReturnType<Commands[N]>));
      this.#worker.postMessage({ id, name, args });
    });
  }

  /** Ends the thread, with whatever is bound on it. */
  async end(): Promise<void> {
    const exited = once(this.#worker, 'exit');
    await this.#worker.terminate();
    await exited;
  }
}
