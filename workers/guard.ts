import { workerData } from 'node:worker_threads';
import type { LibraryHandle } from 'koffi';
import {
  CALL_FAULTED,
  GUARD_PROTOTYPES,
  REPORT_BYTES,
  decodeLog,
  reportFault,
  reportLogBytes,
  reportMessage,
  type Fault,
  type HandlerLogLine,
} from '../src/protocol/guard.ts';
import type { WorkerSettings } from '../src/protocol/worker.ts';

type Bind = (slot: number, path: string, arenaBytes: number, limitMs: number, report: Buffer) => number;
type Call = (
  image: number,
  entry: number,
  input: Uint8Array,
  inputBytes: number,
  output: Buffer,
  outputBytes: number,
  limitMs: number,
  report: Buffer,
) => number | bigint;

/** The guard as one worker thread uses it: its slot, and the report that every call fills in. */
export class ThreadGuard {
  /** The thread's number in the guard. */
  readonly slot: number;
  /** Log lines that the thread hands on in a second. */
  readonly logLinesMax: number;
  readonly #report = Buffer.alloc(REPORT_BYTES);
  readonly #log = Buffer.allocUnsafeSlow(64 * 1024);
  readonly #bind: Bind;
  readonly #call: Call;
  readonly #unbind: (image: number, cleanMs: number) => number;
  readonly #takeLog: (slot: number, output: Buffer, outputBytes: number) => number;

  constructor(library: LibraryHandle, { stackBytes, logLinesMax }: WorkerSettings) {
    this.logLinesMax = logLinesMax;
    const open = library.func(GUARD_PROTOTYPES.open) as (stackBytes: number) => number;
    this.#bind = library.func(GUARD_PROTOTYPES.bind) as Bind;
    this.#call = library.func(GUARD_PROTOTYPES.call) as Call;
    this.#unbind = library.func(GUARD_PROTOTYPES.unbind) as (image: number, cleanMs: number) => number;
    this.#takeLog = library.func(GUARD_PROTOTYPES.takeLog) as (slot: number, out: Buffer, bytes: number) => number;
    this.slot = open(stackBytes);
    if (this.slot < 0) throw new Error(`The guard has no room for this thread (${this.slot}).`);
  }

  /** Image number, or a negative BIND_ERRORS code; `message` says more. */
  bind(path: string, arenaBytes: number, limitMs: number): number {
    return this.#bind(this.slot, path, arenaBytes, limitMs, this.#report);
  }

  /** Bytes written to `output`; -n: n bytes wait for `fetch`; null: a fault, see `fault`. */
  call(
    image: number,
    entry: number,
    input: Uint8Array,
    inputBytes: number,
    output: Buffer,
    limitMs: number,
  ): number | null {
    const result = this.#call(image, entry, input, inputBytes, output, output.length, limitMs, this.#report);
    return result === CALL_FAULTED ? null : Number(result);
  }

  /** Takes an image away; `cleanMs` 0: without running any of its code. Bits of UNBIND. */
  unbind(image: number, cleanMs: number): number {
    return this.#unbind(image, cleanMs);
  }

  /** The fault of the last call. */
  get fault(): Fault {
    return reportFault(this.#report);
  }

  /** What the guard had to say about the last bind or call. */
  get message(): string {
    return reportMessage(this.#report);
  }

  /** Log lines were written in the last call, so that `takeLog` is worth calling. */
  get hasLog(): boolean {
    return reportLogBytes(this.#report) > 0;
  }

  takeLog(): HandlerLogLine[] {
    const bytes = this.#takeLog(this.slot, this.#log, this.#log.length);
    return decodeLog(this.#log.subarray(0, bytes));
  }
}

let guard: ThreadGuard | null = null;

/**
 * This thread's guard, opened with the first call. koffi is loaded here and not with the module: a thread must not be
 * terminated while koffi loads, and the main thread knows when a task runs, but not when a thread starts.
 */
export async function threadGuard(): Promise<ThreadGuard> {
  if (guard !== null) return guard;
  const settings = workerData as WorkerSettings;
  const { default: koffi } = await import('koffi');
  guard = new ThreadGuard(koffi.load(settings.guardPath), settings);
  return guard;
}
