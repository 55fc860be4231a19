/** One chaos run: a gateway, its endpoints under load, the plan carried out, everything whole again at the end. */
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { eventually } from '../support/eventually.ts';
import { mappedImages, RunningGateway, type ApiData, type LogLine } from '../support/gateway.ts';
import { Asking, knownBody } from './asking.ts';
import { Deployments } from './deployments.ts';
import { ENDPOINTS } from './endpoints.ts';
import { EXECUTIONS_VARIABLE, MISBEHAVING_OPTIONS, misbehaving } from './handlers.ts';
import { History } from './history.ts';
import { inject } from './injections/index.ts';
import { Ledger, type LedgerFigures, type Violation } from './ledger.ts';
import { runLoad } from './load.ts';
import { Machine } from './machine.ts';
import { drawPlan, type ActionKind, type Injection } from './plan.ts';
import { Random } from './random.ts';
import { allServe } from './recovery.ts';
import { watchMachine } from './starvation.ts';
import type { World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Only these kinds of injections; undefined: all. */
  readonly kinds?: readonly ActionKind[];
  readonly clients: number;
  readonly processes: number;
  /** Called with every line of the gateway's log, but what handlers print, and its time on the clock of the run. */
  trace?(at: number, line: LogLine): void;
  tell(line: string): void;
}

export interface DoneInjection {
  readonly injection: Injection;
  readonly begunAt: number;
  endedAt: number | null;
}

export interface ChaosOutcome {
  readonly seed: number;
  readonly injections: readonly DoneInjection[];
  readonly figures: LedgerFigures;
  readonly swaps: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly violations: readonly Violation[];
  readonly violationsTotal: number;
  readonly problems: readonly { readonly at: number; readonly what: string }[];
  readonly executions: number;
  readonly lastLines: readonly LogLine[];
}

const SETTINGS = {
  HANDLER_THREADS: '2',
  SLEEP_AFTER_SECS: '1',
  CRASH_LOOP_FAULTS: '0',
  MAX_BODY_MB: '2',
  BODIES_MAX_MB: '8',
  COMPILE_TIMEOUT_SECS: '20',
  DRAIN_TIMEOUT_SECS: '20',
};
const SMALL_BODY_BYTES = 3_000;
const LARGE_BODY_BYTES = 1 << 20;
const CLIENT_PAUSE_MS = 25;
/** A process may be given up for what the machine did so long before. */
const STARVED_MS = 5_000;
const LOG_LINES_KEPT = 2_000;
const PROBLEMS_KEPT = 50;

/** What all builds share is compiled without the short time limit of the run: for the first time, it takes longer. */
async function warmBuildDirectory(): Promise<void> {
  await using gateway = await RunningGateway.start();
  await gateway.deploy('warm', { ...MISBEHAVING_OPTIONS, code: misbehaving('warm') });
}

export async function runChaos(options: ChaosOptions): Promise<ChaosOutcome> {
  await warmBuildDirectory();
  await using machine = await Machine.prepare();
  if (machine.noDisk !== null) options.tell(`the disk is not filled: ${machine.noDisk}`);
  const gateway = await RunningGateway.start({
    folder: machine.folder,
    settings: { ...SETTINGS, PROCESSES: String(options.processes) },
    environment: { PATH: machine.path, [EXECUTIONS_VARIABLE]: machine.executionsPath },
  });
  try {
    return await new ChaosRun(options, machine, gateway).run();
  } finally {
    await gateway.stop('SIGKILL');
  }
}

class ChaosRun {
  readonly #options: ChaosOptions;
  readonly #machine: Machine;
  readonly #gateway: RunningGateway;
  readonly #history = new History();
  readonly #ledger: Ledger;
  readonly #world: World;
  readonly #injections: DoneInjection[] = [];
  readonly #problems: { at: number; what: string }[] = [];
  readonly #counts = new Map<string, number>();
  #linesRead = 0;

  constructor(options: ChaosOptions, machine: Machine, gateway: RunningGateway) {
    this.#options = options;
    this.#machine = machine;
    this.#gateway = gateway;
    this.#ledger = new Ledger(this.#history, `chaos-${options.seed}`);
    const bytes = new Random(options.seed);
    const body = (length: number) => knownBody(Buffer.from(Array.from({ length }, () => bytes.whole(0, 255))));
    this.#world = {
      gateway,
      history: this.#history,
      machine,
      asking: new Asking(Number(new URL(gateway.url).port), this.#ledger, this.#history),
      deployments: new Deployments(gateway, this.#history),
      processes: options.processes,
      smallBody: body(SMALL_BODY_BYTES),
      largeBody: body(LARGE_BODY_BYTES),
      condemned: new Set(),
      problem: what => this.#problem(what),
      count: what => void this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1),
    };
  }

  async run(): Promise<ChaosOutcome> {
    const { seed, seconds, kinds, clients } = this.#options;
    await this.#deployAll();
    const stop = new AbortController();
    const watching = Promise.all([this.#watch(stop.signal), watchMachine(this.#history, stop.signal)]);
    const random = new Random(seed).fork('load');
    const load = runLoad(this.#world, random, { clients, pauseMs: CLIENT_PAUSE_MS, stop: stop.signal });
    await this.#carryOut(drawPlan(seed, seconds, kinds));
    await this.#attempt('recovering', async () => allServe(this.#world));
    stop.abort();
    await Promise.all([load, watching]);
    await this.#attempt('coming to rest', async () => this.#rest());
    return this.#close();
  }

  async #deployAll(): Promise<void> {
    for (const endpoint of ENDPOINTS) {
      if (endpoint.rebinds) this.#history.rebinds(endpoint.id);
      await this.#world.deployments.create(endpoint);
    }
    this.#options.tell(`${ENDPOINTS.length} endpoints are deployed`);
  }

  /** Begins every injection at its time, whether or not those before are over; resolves when all are. */
  async #carryOut(plan: readonly Injection[]): Promise<void> {
    const begunAt = this.#history.now();
    const running: Promise<void>[] = [];
    for (const injection of plan) {
      await pause(Math.max(0, begunAt + injection.atMs - this.#history.now()));
      running.push(this.#inject(injection));
    }
    await Promise.all(running);
  }

  async #inject(injection: Injection): Promise<void> {
    const done: DoneInjection = { injection, begunAt: this.#history.now(), endedAt: null };
    this.#injections.push(done);
    await this.#attempt(JSON.stringify(injection), async () => inject(this.#world, injection));
    done.endedAt = this.#history.now();
  }

  async #attempt(what: string, work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#problem(`${what}: ${inspect(error)}`);
    }
  }

  /** Judges what has ended and reads the log, until the run is over. */
  async #watch(stop: AbortSignal): Promise<void> {
    while (!stop.aborted) {
      this.#ledger.judgeEnded();
      this.#history.forgetOld();
      this.#readLog();
      await pause(200);
    }
  }

  #readLog(): void {
    const { lines } = this.#gateway;
    for (const line of lines.slice(this.#linesRead)) this.#readLine(line);
    if (lines.length > 2 * LOG_LINES_KEPT) lines.splice(0, lines.length - LOG_LINES_KEPT);
    this.#linesRead = lines.length;
  }

  #readLine(line: LogLine): void {
    const { event, level } = line;
    if (event !== 'handler_log') this.#options.trace?.(this.#history.now(), line);
    // Without a reason it ends because the program does.
    if (event === 'process' && line['state'] === 'ended' && line['reason'] !== null) {
      this.#processEnded(Number(line['process']), line['reason'] as string);
    }
    if (event === 'process_replaced') this.#problem(`a process is replaced: ${String(line['reason'])}`);
    const isFaultOfItsOwn = event === 'unhandled' || event === 'gateway_process' || level === 'unparsed';
    if (isFaultOfItsOwn && level !== 'info') this.#problem(`the log says ${JSON.stringify(line)}`);
  }

  #processEnded(pid: number, reason: string): void {
    this.#world.count(`processes ended: ${reason}`);
    if (this.#world.condemned.delete(pid)) return;
    const now = this.#history.now();
    // The supervisor replaces a process that does not answer within a second, and without a processor none can.
    const wasStarved = reason === 'commit_timeout' && this.#history.isShort('machine', now - STARVED_MS, now);
    if (!wasStarved) return this.#problem(`process ${pid} ended: ${reason}`);
    this.#world.count('processes replaced because the machine was too busy');
    this.#history.processEnds(null);
  }

  /** Nothing is in flight, drains or is left over, and the program ends as it should. */
  async #rest(): Promise<void> {
    await eventually('all is quiet', async () => (await this.#gateway.must('GET', '/stats'))['in_flight'] === 0);
    await eventually('all drains are over', async () => this.#noneDrains(), 60_000);
    await eventually('only serving generations are mapped', async () => this.#onlyServingMapped());
    const status = await this.#gateway.stop('SIGTERM');
    if (status !== 0) this.#problem(`the program ended with ${status}`);
    if (this.#gateway.stderr !== '') this.#problem(`standard error says ${this.#gateway.stderr.slice(0, 2_000)}`);
  }

  async #noneDrains(): Promise<true> {
    for (const { id } of ENDPOINTS) {
      const list = (await this.#gateway.must('GET', `/endpoints/${id}/generations`)) as unknown as ApiData[];
      const open = list.filter(({ state }) => state === 'draining' || state === 'loading');
      if (open.length > 0) throw new Error(`${id} has ${JSON.stringify(open)}`);
    }
    return true;
  }

  async #onlyServingMapped(): Promise<boolean> {
    for (const { id } of ENDPOINTS) {
      const { generation } = await this.#gateway.must('GET', `/endpoints/${id}`);
      for (const pid of await this.#gateway.servingPids()) {
        const images = await mappedImages(pid, id);
        if (!images.every(image => image.includes(`.g${String(generation)}.`))) return false;
      }
    }
    return true;
  }

  async #close(): Promise<ChaosOutcome> {
    this.#readLog();
    this.#ledger.close();
    const executions = await this.#machine.executions();
    for (const wrong of this.#ledger.checkExecutions(executions)) this.#problem(wrong);
    return {
      seed: this.#options.seed,
      injections: this.#injections,
      figures: this.#ledger.figures,
      swaps: this.#world.deployments.swaps,
      counts: this.#counts,
      violations: this.#ledger.violations,
      violationsTotal: this.#ledger.violationsTotal,
      problems: this.#problems,
      executions: executions.length,
      lastLines: this.#gateway.lines.filter(({ event }) => event !== 'handler_log'),
    };
  }

  #problem(what: string): void {
    if (this.#problems.length < PROBLEMS_KEPT) this.#problems.push({ at: this.#history.now(), what });
  }
}
