/** Reads the gateway's log as it comes: processes that end or are replaced without a reason, faults of its own. */
import type { FaultReport } from '../../src/protocol/control.ts';
import type { LogLine } from '../support/gateway.ts';
import type { World } from './world.ts';

export interface LogWatchOptions {
  readonly world: World;
  /** Called with every line but what handlers print, and its time on the clock of the run. */
  readonly trace: ((at: number, line: LogLine) => void) | null;
}

/** A process may be given up for what the machine did so long before, and its clients notice so much later. */
const STARVED_MS = 10_000;
const LINES_KEPT = 2_000;
/** The log is read so much later at most. */
const TAKE_OVER_NEWS_MS = 2_000;
/** Ends of processes whose places were taken before, and that have finished all they had. */
const REPLACED = new Set(['suspect', 'interrupts']);
/** The supervisor gives up a process that does not answer in time, and without a processor none can. */
const TOO_LATE = new Set(['commit_timeout', 'unresponsive']);
const FOREIGN_FAULT = /^a fault \(memory\) left foreign code$/;

export class LogWatch {
  readonly #options: LogWatchOptions;
  /** Faults for which a process was to be replaced. */
  readonly #suspectFaults: LogLine[] = [];
  #linesRead = 0;

  constructor(options: LogWatchOptions) {
    this.#options = options;
  }

  /** Reads what has come since the last time. */
  read(): void {
    const { lines } = this.#options.world.gateway;
    for (const line of lines.slice(this.#linesRead)) this.#readLine(line);
    if (lines.length > 2 * LINES_KEPT) lines.splice(0, lines.length - LINES_KEPT);
    this.#linesRead = lines.length;
  }

  /** When all answers are known: suspect faults of requests that did not ask for one. */
  checkSuspects(): void {
    const { suspects, problem } = this.#options.world;
    for (const line of this.#suspectFaults) {
      if (suspects.has(String(line['request_id']))) continue;
      problem(`a fault that should not be is suspect: ${JSON.stringify(line)}`);
    }
  }

  #readLine(line: LogLine): void {
    const { world, trace } = this.#options;
    const { event, level } = line;
    if (event !== 'handler_log') trace?.(world.history.now(), line);
    if (event === 'process') this.#onProcess(line);
    if (event === 'process_replaced') this.#onReplaced(line);
    if (event === 'fault' && (line['fault'] as FaultReport).suspect) this.#suspectFaults.push(line);
    const isFaultOfItsOwn = event === 'unhandled' || event === 'gateway_process' || level === 'unparsed';
    if (isFaultOfItsOwn && level !== 'info') world.problem(`the log says ${JSON.stringify(line)}`);
  }

  /** Nothing but interrupts and the suspect faults that were asked for is a reason to; or a worker without a processor. */
  #onReplaced({ reason, msg }: LogLine): void {
    const { world } = this.#options;
    if (reason === 'interrupts' || FOREIGN_FAULT.test(String(msg))) return;
    if (this.#wasStarved()) world.count('processes replaced because the machine was too busy');
    else world.problem(`a process is replaced: ${String(msg)}`);
  }

  /** Too little time for what has a time limit. */
  #wasStarved(): boolean {
    const { history } = this.#options.world;
    return history.isStarved(history.now() - STARVED_MS, history.now());
  }

  /** What it could not bind as a spare, for want of disk or descriptors, is missing now. */
  #onTakeOver(): void {
    const { history } = this.#options.world;
    const now = history.now();
    history.shortage('start', now - TAKE_OVER_NEWS_MS).until = now + STARVED_MS;
  }

  #onProcess(line: LogLine): void {
    const { world } = this.#options;
    const { history } = world;
    const reason = line['reason'] as string | null;
    if (line['state'] === 'serving') this.#onTakeOver();
    // Without a reason it ends because the program does.
    if (line['state'] !== 'ended' || reason === null) return;
    world.count(`processes ended: ${reason}`);
    if (world.condemned.delete(Number(line['process'])) || REPLACED.has(reason)) return;
    const now = history.now();
    if (!TOO_LATE.has(reason) || !this.#wasStarved())
      return world.problem(`process ${String(line['process'])} ended: ${reason}`);
    world.count('processes given up because the machine was too busy');
    history.processHasEnded(STARVED_MS);
    history.shortage('start', now - STARVED_MS).until = now + STARVED_MS;
  }
}
