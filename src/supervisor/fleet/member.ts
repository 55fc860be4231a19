import { LIMITS } from '../../config.ts';
import type {
  BindFailure,
  DataPlaneSettings,
  EndpointSpec,
  GatewayEvent,
  PrepareOutcome,
  ProcessFigures,
} from '../../protocol/control.ts';
import { BindsUnderWay } from './binds-under-way.ts';
import { CallFailed } from './control-channel.ts';
import type { Change, DesiredState } from './desired-state.ts';
import type { GatewayProcess, ProcessEnd } from './gateway-process.ts';

export type MemberState = 'starting' | 'serving' | 'draining';

/** Time limits of the calls that may take long; a process that exceeds one is broken. */
const START_TIMEOUT_MS = 120_000;
const PREPARE_TIMEOUT_MS = 60_000;
const FIGURES_TIMEOUT_MS = 1_000;
/** Phases of ending that may each take the drain timeout: bodies, handlers; and before them, clients that go on sending. */
const SHUTDOWN_PHASES = 2;
const HANDOVER_PHASES = 3;
const SHUTDOWN_GRACE_MS = 5_000;

export interface Started {
  readonly served: readonly EndpointSpec[];
  readonly failed: readonly ({ readonly endpoint: string } & BindFailure)[];
}

export interface BringUpOptions {
  readonly settings: DataPlaneSettings;
  /** Path of the guard, or null while it is not built. */
  readonly guard: () => string | null;
  readonly bindsAtOnce: number;
}

/** What a process without guard has not bound: everything. It does when the guard comes. */
function withoutGuard(served: readonly EndpointSpec[]): Started['failed'] {
  const failure = { code: 'guard_missing', message: 'The guard library, which loads handlers, is not built.' };
  return served.flatMap(({ id, serving }) => (serving === null ? [] : [{ endpoint: id, ...failure }]));
}

/** One gateway process as the fleet sees it: how far it has come, and what it knows. */
export class Member {
  readonly process: GatewayProcess;
  readonly since = Date.now();
  readonly binds = new BindsUnderWay();
  state: MemberState = 'starting';
  /** A fresh process is to take its place: when that serves, this one is shut down. */
  leaving = false;
  /** Why the fleet killed it, for the log. */
  killReason: string | null = null;
  faults = 0;
  #figures: ProcessFigures | null = null;
  #answeredAt = performance.now();
  #version = 0;
  #hasGuard = false;

  constructor(process: GatewayProcess) {
    this.process = process;
  }

  /** Version of the state it is known to have. */
  get version(): number {
    return this.#version;
  }

  /** The last figures it gave, without generations it has retired since. */
  get figures(): ProcessFigures | null {
    return this.#figures;
  }

  /**
   * Gives the process the newest state, also what is committed while it starts, and lets it accept. Between the last
   * look at the version and `serving` nothing is awaited, so no commit falls in between.
   */
  async bringUp(state: DesiredState, options: BringUpOptions): Promise<Started> {
    const { settings, guard, bindsAtOnce } = options;
    const served = state.endpoints();
    const { version } = state;
    const guardPath = guard();
    const start = { settings, guardPath, version, endpoints: served, bindsAtOnce };
    const { failed: notBound } = await this.process.call('start', start, START_TIMEOUT_MS);
    const failed = guardPath === null ? withoutGuard(served) : notBound;
    this.#version = version;
    this.#hasGuard = guardPath !== null;
    for (let missed = state.since(this.#version); missed.length > 0; missed = state.since(this.#version)) {
      for (const change of missed) await this.commit(change, START_TIMEOUT_MS);
    }
    this.state = 'serving';
    this.#answeredAt = performance.now();
    await this.process.call('accept', {}, START_TIMEOUT_MS);
    return { served, failed };
  }

  async giveGuard(guardPath: string): Promise<void> {
    if (this.#hasGuard) return;
    await this.process.call('guard', { guardPath }, START_TIMEOUT_MS);
    this.#hasGuard = true;
  }

  /** null: the process ended, and not of this. */
  async prepare(endpoint: EndpointSpec, guardPath: string): Promise<PrepareOutcome | null> {
    try {
      await this.giveGuard(guardPath);
      return await this.process.call('prepare', { endpoint }, PREPARE_TIMEOUT_MS);
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind !== 'gone') return { ok: false, code: 'worker_failed', message: error.message };
      const generation = endpoint.serving?.generation ?? 0;
      const isToBlame = this.binds.has(endpoint.id, generation) && !this.wasKilled(await this.process.ended);
      if (!isToBlame) return null;
      return { ok: false, code: 'process_died', message: 'it ended the gateway process that was loading it' };
    }
  }

  /** @returns requests in flight in older generations. @throws CallFailed */
  async commit(change: Change, timeoutMs: number = LIMITS.commitTimeoutMs): Promise<number> {
    const { draining } = await this.process.call('commit', change, timeoutMs);
    this.#version = Math.max(this.#version, change.version);
    return draining;
  }

  /** How long it has given no figures, in milliseconds. */
  get silentMs(): number {
    return performance.now() - this.#answeredAt;
  }

  /** Fresh figures, or null when the process does not give them in time. */
  async poll(): Promise<ProcessFigures | null> {
    try {
      this.#figures = await this.process.call('figures', {}, FIGURES_TIMEOUT_MS);
      this.#answeredAt = performance.now();
      return this.#figures;
    } catch {
      return null;
    }
  }

  note(event: GatewayEvent): void {
    if (event.kind === 'binding') this.binds.begin(event.endpoint, event.generation);
    else if (event.kind === 'bound') this.binds.end(event.endpoint, event.generation);
    else if (event.kind === 'fault') this.faults += 1;
    else if (event.kind === 'retired') this.#forgetGeneration(event.endpoint, event.generation);
  }

  /** Lets the process finish its requests and end; one that takes much longer than the drain timeout is killed. */
  async shutDown(drainMs: number): Promise<ProcessEnd> {
    this.state = 'draining';
    const handover = this.leaving;
    const timeoutMs = drainMs * (handover ? HANDOVER_PHASES : SHUTDOWN_PHASES) + SHUTDOWN_GRACE_MS;
    const deadline = setTimeout(() => this.kill('drain_timeout'), timeoutMs);
    try {
      this.#figures = await this.process.call('shutdown', { handover });
    } catch {
      // It ended, or failed at ending: `ended` and the deadline see to either.
    }
    const end = await this.process.ended;
    clearTimeout(deadline);
    return end;
  }

  /** Somebody ended it, this fleet or the system: no library can send SIGKILL, so none is to blame. */
  wasKilled(end: ProcessEnd): boolean {
    return this.killReason !== null || end.signal === 'SIGKILL';
  }

  kill(reason: string): void {
    this.killReason ??= reason;
    this.process.kill();
  }

  #forgetGeneration(endpoint: string, generation: number): void {
    if (this.#figures === null) return;
    const generations = this.#figures.generations.filter(
      figures => figures.endpoint !== endpoint || figures.generation !== generation,
    );
    this.#figures = { ...this.#figures, generations };
  }
}
