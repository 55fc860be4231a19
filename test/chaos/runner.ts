/** One chaos run: a gateway, its endpoints under load, the plan carried out, everything whole again at the end. */
import { setTimeout as pause } from 'node:timers/promises';
import { inspect } from 'node:util';
import { Turns } from '../../src/lifecycle/turns.ts';
import { RunningGateway, type LogLine } from '../support/gateway.ts';
import { Asking, knownBody } from './asking.ts';
import { Deployments } from './deployments.ts';
import { ENDPOINTS } from './endpoints.ts';
import { EXECUTIONS_VARIABLE, MISBEHAVING_OPTIONS, misbehaving } from './handlers.ts';
import { History, MEMORY_MS } from './history.ts';
import { InjectionLog, type DoneInjection } from './injection-log.ts';
import { inject } from './injections/index.ts';
import { Ledger, type LedgerFigures, type Violation } from './ledger.ts';
import { runLoad } from './load.ts';
import { LogWatch } from './log-watch.ts';
import { Machine } from './machine.ts';
import { sampleMemory, type MemorySample } from './memory.ts';
import { drawPlan, type ActionKind, type Injection } from './plan.ts';
import { Random } from './random.ts';
import { allServe } from './recovery.ts';
import { comeToRest } from './rest.ts';
import { endOf } from './rules.ts';
import { machineGetsOn, watchMachine } from './starvation.ts';
import type { World } from './world.ts';

export interface ChaosOptions {
  readonly seed: number;
  readonly seconds: number;
  /** Only these kinds of injections; undefined: all. */
  readonly kinds?: readonly ActionKind[];
  readonly clients: number;
  readonly processes: number;
  /** Called with every line of the gateway's log, but what handlers print, and its time on the clock of the run. */
  readonly trace?: (at: number, line: LogLine) => void;
  readonly tell: (line: string) => void;
}

/** A violation with the injections that were under way then. */
export interface Finding extends Violation {
  readonly around: readonly DoneInjection[];
}

export interface ChaosOutcome {
  readonly options: Pick<ChaosOptions, 'seed' | 'seconds' | 'kinds' | 'clients' | 'processes'>;
  readonly injections: ReadonlyMap<ActionKind, number>;
  readonly figures: LedgerFigures;
  readonly swaps: number;
  readonly counts: ReadonlyMap<string, number>;
  readonly findings: readonly Finding[];
  readonly violationsTotal: number;
  readonly problems: readonly { readonly at: number; readonly what: string }[];
  readonly executions: number;
  readonly memory: readonly MemorySample[];
  readonly lastLines: readonly LogLine[];
}

export const CHAOS_DEFAULTS = { seconds: 60, clients: 16, processes: 2 } as const;

const SETTINGS = {
  HANDLER_THREADS: '2',
  SLEEP_AFTER_SECS: '3',
  CRASH_LOOP_FAULTS: '0',
  INTERRUPTS_MAX: '12',
  MAX_BODY_MB: '2',
  BODIES_MAX_MB: '8',
  COMPILE_TIMEOUT_SECS: '20',
  DRAIN_TIMEOUT_SECS: '20',
};
const SMALL_BODY_BYTES = 3_000;
const LARGE_BODY_BYTES = 1 << 20;
const CLIENT_PAUSE_MS = 25;
const PROBLEMS_KEPT = 50;
/** So many times its length a run may wait for a machine that stands still. */
const PATIENCE = 3;
/** Injections so long before a violation and after it belong to its finding. */
const AROUND_MS = 300;

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
  readonly #history = new History();
  readonly #ledger: Ledger;
  readonly #world: World;
  readonly #log: LogWatch;
  readonly #injections = new InjectionLog(() => this.#history.now());
  readonly #findings: Finding[] = [];
  readonly #problems: { at: number; what: string }[] = [];
  readonly #counts = new Map<string, number>();

  constructor(options: ChaosOptions, machine: Machine, gateway: RunningGateway) {
    this.#options = options;
    this.#machine = machine;
    this.#ledger = new Ledger(this.#history, `chaos-${options.seed}`);
    this.#world = this.#createWorld(gateway);
    this.#log = new LogWatch({ world: this.#world, trace: options.trace ?? null });
  }

  async run(): Promise<ChaosOutcome> {
    const { seed, seconds, kinds, clients } = this.#options;
    await this.#deployAll();
    const stop = new AbortController();
    const watching = Promise.all([this.#watch(stop.signal), watchMachine(this.#history, stop.signal)]);
    const sampling = sampleMemory(this.#world.gateway.pid, this.#history.now, stop.signal);
    const random = new Random(seed).fork('load');
    const load = runLoad(this.#world, random, { clients, pauseMs: CLIENT_PAUSE_MS, stop: stop.signal });
    await this.#carryOut(drawPlan(seed, seconds, kinds));
    await this.#attempt('recovering', async () => allServe(this.#world));
    stop.abort();
    await Promise.all([load, watching]);
    await this.#attempt('coming to rest', async () => comeToRest(this.#world));
    return this.#close(await sampling);
  }

  #createWorld(gateway: RunningGateway): World {
    const { seed, processes } = this.#options;
    const bytes = new Random(seed);
    const body = (length: number) => knownBody(Buffer.from(Array.from({ length }, () => bytes.whole(0, 255))));
    return {
      gateway,
      history: this.#history,
      machine: this.#machine,
      asking: new Asking(Number(new URL(gateway.url).port), this.#ledger, this.#history),
      deployments: new Deployments(gateway, this.#history),
      processes,
      smallBody: body(SMALL_BODY_BYTES),
      largeBody: body(LARGE_BODY_BYTES),
      condemned: new Set(),
      suspects: new Set(),
      turns: new Turns(),
      problem: what => this.#problem(what),
      count: what => void this.#counts.set(what, (this.#counts.get(what) ?? 0) + 1),
    };
  }

  async #deployAll(): Promise<void> {
    for (const endpoint of ENDPOINTS) {
      if (endpoint.rebinds) this.#history.rebinds(endpoint.id);
      await this.#world.deployments.create(endpoint);
    }
    this.#options.tell(`${ENDPOINTS.length} endpoints are deployed`);
  }

  /**
   * Begins every injection at its time, whether or not those before are over; resolves when all are. Time stands still
   * while the machine does: else ever more processes would have to be replaced by a machine that cannot start any.
   */
  async #carryOut(plan: readonly Injection[]): Promise<void> {
    let begunAt = this.#history.now();
    let patienceMs = PATIENCE * this.#options.seconds * 1_000;
    const running = new Set<Promise<void>>();
    for (const injection of plan) {
      await pause(Math.max(0, begunAt + injection.atMs - this.#history.now()));
      const waitedMs = await machineGetsOn(this.#history, patienceMs);
      begunAt += waitedMs;
      patienceMs = Math.max(0, patienceMs - waitedMs);
      const done = this.#inject(injection).then(() => void running.delete(done));
      running.add(done);
    }
    await Promise.all(running);
  }

  async #inject(injection: Injection): Promise<void> {
    const end = this.#injections.begin(injection);
    await this.#attempt(JSON.stringify(injection), async () => inject(this.#world, injection));
    end();
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
      this.#noteFindings();
      this.#log.read();
      this.#history.forgetOld();
      this.#injections.forgetBefore(this.#history.now() - MEMORY_MS);
      await pause(200);
    }
  }

  #noteFindings(): void {
    for (const violation of this.#ledger.violations.slice(this.#findings.length)) {
      const from = violation.record.sentAt - AROUND_MS;
      this.#findings.push({ ...violation, around: this.#injections.during(from, endOf(violation.record) + AROUND_MS) });
    }
  }

  async #close(memory: readonly MemorySample[]): Promise<ChaosOutcome> {
    this.#log.read();
    this.#log.checkSuspects();
    this.#ledger.close();
    this.#noteFindings();
    const executions = await this.#machine.executions();
    for (const wrong of this.#ledger.checkExecutions(executions)) this.#problem(wrong);
    return {
      options: this.#options,
      injections: this.#injections.counts,
      figures: this.#ledger.figures,
      swaps: this.#world.deployments.swaps,
      counts: this.#counts,
      findings: this.#findings,
      violationsTotal: this.#ledger.violationsTotal,
      problems: this.#problems,
      executions: executions.length,
      memory,
      lastLines: this.#world.gateway.lines.filter(({ event }) => event !== 'handler_log'),
    };
  }

  #problem(what: string): void {
    if (this.#problems.length < PROBLEMS_KEPT) this.#problems.push({ at: this.#history.now(), what });
  }
}
