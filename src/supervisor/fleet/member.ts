import { setTimeout as pause } from 'node:timers/promises';
import { LIMITS } from '../../config.ts';
import { withoutGeneration, type GenerationName } from '../../observe/figures.ts';
import type {
  BindFailure,
  ControlCalls,
  CrashRow,
  DataPlaneSettings,
  EndpointSpec,
  GatewayEvent,
  PrepareOutcome,
  ProcessFigures,
  ReplaceReason,
} from '../../protocol/control.ts';
import { BindsUnderWay } from './binds-under-way.ts';
import { CallFailed } from './control-channel.ts';
import { isDying } from './dying.ts';
import type { Change, DesiredState } from './desired-state.ts';
import type { MemberState, Placed } from './fleet-plan.ts';
import type { GatewayProcess, ProcessEnd } from './gateway-process.ts';
import { PreparedAhead } from './prepared-ahead.ts';
import { SharedCall } from './shared-call.ts';

/** Time limits of the calls that may take long; a process that exceeds one is broken. */
const START_TIMEOUT_MS = 120_000;
const PREPARE_TIMEOUT_MS = 60_000;
const FIGURES_TIMEOUT_MS = 1_000;
const ABANDON_TIMEOUT_MS = 10_000;
/** Phases of ending that may each take the drain timeout: bodies, handlers; and before them, clients that go on sending. */
const SHUTDOWN_PHASES = 2;
const HANDOVER_PHASES = 3;
/** Nobody accepts connections meanwhile if it dies at that moment. */
const CRASH_ROWS_TIMEOUT_MS = 100;
const SHUTDOWN_GRACE_MS = 5_000;
/** A process that was lost ends by itself, or is beyond control and must not go on answering from an old state. */
const LOST_GRACE_MS = 1_000;
/** A process that has finished everything and is still there after so long has a thread that nothing can end. */
const EXIT_GRACE_MS = 2_000;

export type EndpointFailure = { readonly endpoint: string } & BindFailure;

type CommitAnswer = Pick<ControlCalls['commit']['answer'], 'draining' | 'followed'>;
type PrepareRequest = Required<ControlCalls['prepare']['request']>;

export interface BringUpOptions {
  readonly settings: DataPlaneSettings;
  /** Path of the guard, or null while it is not built. */
  readonly guard: () => string | null;
  readonly bindsAtOnce: number;
}

/** What a process without guard binds: nothing. It does when the guard comes. */
const NO_GUARD: BindFailure = {
  code: 'guard_missing',
  message: 'The guard library, which loads handlers, is not built.',
};

/** One gateway process as the fleet sees it: how far it has come, and what it knows. */
export class Member implements Placed {
  readonly process: GatewayProcess;
  readonly since = Date.now();
  readonly binds = new BindsUnderWay();
  state: MemberState = 'starting';
  accepting = false;
  leaving = false;
  /** It serves or did: its generations may hold requests. */
  hasServed = false;
  /** Its way from spare to serving, once it is on it. */
  promotion: Promise<void> | null = null;
  /** Why it asked to be replaced. */
  replaceReason: ReplaceReason | null = null;
  /** Why the fleet killed it, for the log. */
  killReason: string | null = null;
  /** It has answered that everything is finished. */
  #isFinished = false;
  #isShutDown = false;
  #figures: ProcessFigures | null = null;
  /** Generations it has retired since the poll under way began. */
  #retiredMeanwhile: GenerationName[] = [];
  readonly #polls = new SharedCall(async () => this.#poll());
  #answeredAt = performance.now();
  #readyAt = Number.POSITIVE_INFINITY;
  /** The newest version it was sent, and the newest it has answered. */
  #sentVersion = 0;
  #version = 0;
  /** What it could not bind, and nobody was told of because it did not serve yet. */
  readonly #bindFailures = new Map<string, { readonly generation: number } & BindFailure>();
  #guarded: Promise<void> | null = null;
  readonly #preparedAhead = new PreparedAhead();

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
   * Crashes in a row of what it serves, the one for which it is replaced among them. None when it cannot be asked any more:
   * good answers since its last figures would be missing.
   */
  async currentCrashRows(): Promise<readonly CrashRow[]> {
    if (this.state !== 'serving') return [];
    const figures = await Promise.race([this.poll(), pause(CRASH_ROWS_TIMEOUT_MS, null, { ref: false })]);
    const serving = figures?.generations.filter(({ state, crashes }) => state === 'serving' && crashes > 0) ?? [];
    return serving.map(({ endpoint, generation, crashes }) => ({ endpoint, generation, crashes }));
  }

  /** How long it could have served, in milliseconds; negative: it was never ready. */
  get readyMs(): number {
    return performance.now() - this.#readyAt;
  }

  /**
   * Gives the process the newest state, also what is committed while it starts. Between the last look at the version and
   * the return nothing is awaited, so no commit falls in between.
   */
  async bringUp(state: DesiredState, options: BringUpOptions): Promise<void> {
    const { settings, guard, bindsAtOnce } = options;
    const endpoints = state.endpoints();
    const { version } = state;
    const guardPath = guard();
    const start = { settings, guardPath, version, endpoints, bindsAtOnce };
    const { failed } = await this.process.call('start', start, START_TIMEOUT_MS);
    for (const { id, serving } of endpoints) {
      const failure = guardPath === null ? NO_GUARD : failed.find(({ endpoint }) => endpoint === id);
      if (serving !== null && failure !== undefined) this.#noteFailure(id, serving.generation, failure);
    }
    if (guardPath !== null) this.#guarded = Promise.resolve();
    this.#version = version;
    this.#sentVersion = version;
    while (this.#sentVersion < state.version) await this.catchUp(state, guard(), START_TIMEOUT_MS);
    if (this.state !== 'starting') throw new CallFailed('gone', 'the process was lost while it started');
    this.state = 'spare';
    this.#readyAt = performance.now();
    this.#answeredAt = this.#readyAt;
  }

  /**
   * Sends what the process was not told yet, before this returns its promise: whatever is sent later, it hears later.
   * Resolves when it has answered all of it. @throws CallFailed
   */
  async catchUp(state: DesiredState, guardPath: string | null, timeoutMs: number): Promise<void> {
    const guarded = guardPath === null ? undefined : this.giveGuard(guardPath);
    const { version } = state;
    const commits = state.since(this.#sentVersion).map(async change => this.commit(change, timeoutMs));
    this.#sentVersion = version;
    await Promise.all([guarded, ...commits]);
    this.#version = Math.max(this.#version, version);
  }

  /** Lets the process serve, in the place of `predecessor` if it is not the first. @throws CallFailed */
  async accept(predecessor: Member | null): Promise<void> {
    this.state = 'serving';
    this.hasServed = true;
    const crashRows = predecessor === null ? [] : await predecessor.currentCrashRows();
    await this.process.call('accept', { crashRows }, LIMITS.unresponsiveMs);
    this.accepting = true;
  }

  /** What of the state it could not bind while it did not serve. */
  failuresIn(state: DesiredState): readonly EndpointFailure[] {
    return [...this.#bindFailures].flatMap(([endpoint, { generation, code, message }]) =>
      state.endpoint(endpoint)?.serving?.generation === generation ? [{ endpoint, code, message }] : [],
    );
  }

  /** Once, however many calls need it at the same time; when it failed, the next call tries again. */
  async giveGuard(guardPath: string): Promise<void> {
    this.#guarded ??= this.#sendGuard(guardPath);
    return this.#guarded;
  }

  /** Ahead of its deploy, and has not let go of it as far as it has told. */
  hasPrepared(endpoint: EndpointSpec): boolean {
    return this.#preparedAhead.has(endpoint);
  }

  /** null: the process ended, and not of this, or serves no more. */
  async prepare(request: PrepareRequest, guardPath: string): Promise<PrepareOutcome | null> {
    const { endpoint, ahead } = request;
    if (this.hasPrepared(endpoint)) return { ok: true };
    try {
      await this.giveGuard(guardPath);
      const answered = ahead ? this.#preparedAhead.ask(endpoint) : null;
      const outcome = await this.process.call('prepare', request, PREPARE_TIMEOUT_MS);
      answered?.(outcome.ok);
      // One that was relieved meanwhile lets go of what it has prepared; it is not needed any more.
      return outcome.ok || this.state === 'serving' ? outcome : null;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind !== 'gone') return { ok: false, code: 'worker_failed', message: error.message };
      const generation = endpoint.serving?.generation ?? 0;
      const isToBlame = this.binds.has(endpoint.id, generation) && !this.wasKilled(await this.process.ended);
      if (!isToBlame) return null;
      return { ok: false, code: 'process_died', message: 'it ended the gateway process that was loading it' };
    }
  }

  /** Lets go of a prepared generation. Never rejects. */
  async abandon(endpoint: string, generation: number): Promise<void> {
    this.#preparedAhead.abandoned(endpoint, generation);
    await this.process.call('abandon', { endpoint, generation }, ABANDON_TIMEOUT_MS).catch(() => null);
  }

  /** @throws CallFailed */
  async commit(change: Change, timeoutMs: number = LIMITS.commitTimeoutMs): Promise<CommitAnswer> {
    this.#sentVersion = Math.max(this.#sentVersion, change.version);
    this.#preparedAhead.committed(change.id);
    const patience = { timeoutMs, mostExcusedMs: LIMITS.unresponsiveMs };
    const answer = await this.process.callExcused('commit', change, patience);
    this.#version = Math.max(this.#version, change.version);
    return answer;
  }

  /** How long it has given no figures, in milliseconds. */
  get silentMs(): number {
    return performance.now() - this.#answeredAt;
  }

  /** Fresh figures, or null when the process does not give them in time. It is asked once for all who ask at the same time. */
  async poll(): Promise<ProcessFigures | null> {
    return this.#polls.run();
  }

  async #poll(): Promise<ProcessFigures | null> {
    this.#retiredMeanwhile = [];
    try {
      const figures = await this.process.call('figures', {}, FIGURES_TIMEOUT_MS);
      // What the process says after its answer may be heard before it: Node hands over all that has arrived at once.
      this.#figures = this.#retiredMeanwhile.reduce(withoutGeneration, figures);
      this.#answeredAt = performance.now();
      return this.#figures;
    } catch {
      return null;
    }
  }

  note(event: GatewayEvent): void {
    this.#preparedAhead.note(event);
    if (event.kind === 'binding') this.binds.begin(event.endpoint, event.generation);
    else if (event.kind === 'bound') this.binds.end(event.endpoint, event.generation);
    else if (event.kind === 'retired') this.#forgetGeneration(event);
    else if (event.kind === 'endpoint_failed' && !this.hasServed) {
      this.#noteFailure(event.endpoint, event.generation, event);
    }
  }

  /**
   * Lets the process finish its requests and end; one that takes much longer than the drain timeout is killed. With
   * `handover`, another one accepts by now, and clients that are connected may go on for a while; a second call without it
   * ends that.
   */
  async shutDown(drainMs: number, handover: boolean): Promise<ProcessEnd> {
    this.state = 'draining';
    this.#isShutDown = true;
    const timeoutMs = drainMs * (handover ? HANDOVER_PHASES : SHUTDOWN_PHASES) + SHUTDOWN_GRACE_MS;
    this.#killAfter(timeoutMs, 'drain_timeout');
    try {
      this.#figures = await this.process.call('shutdown', { handover });
      this.#isFinished = true;
      this.#killAfter(EXIT_GRACE_MS, null);
    } catch {
      // It ended, or failed at ending: `ended` and the deadline see to either.
    }
    return this.process.ended;
  }

  /** It has ended, was killed or cannot be reached any more. */
  lose(): void {
    this.state = 'lost';
    this.accepting = false;
    this.#after(LOST_GRACE_MS, () => (isDying(this.process.pid) ? this.process.kill() : this.kill('disconnected')));
  }

  /** Somebody ended it, this fleet or the system: no library can send SIGKILL, so none is to blame. */
  wasKilled(end: ProcessEnd): boolean {
    return this.killReason !== null || end.signal === 'SIGKILL';
  }

  kill(reason: string): void {
    this.killReason ??= reason;
    this.process.kill();
  }

  /** It ended because it was told to, with everything finished. */
  hasFinished({ status }: ProcessEnd): boolean {
    return this.#isFinished || (this.#isShutDown && status === 0);
  }

  /** Why it ended, in few fixed words, since it is a metric's label. */
  reasonOf(end: ProcessEnd): string {
    if (this.hasFinished(end)) return this.replaceReason ?? 'replaced';
    if (this.killReason !== null) return this.killReason;
    return end.signal ?? `exit_${end.status ?? 'unknown'}`;
  }

  async #sendGuard(guardPath: string): Promise<void> {
    this.#bindFailures.clear();
    try {
      await this.process.call('guard', { guardPath }, START_TIMEOUT_MS);
    } catch (error) {
      this.#guarded = null;
      throw error;
    }
  }

  /** `reason` null: it is nothing that the log should tell. */
  #killAfter(timeoutMs: number, reason: string | null): void {
    this.#after(timeoutMs, () => (reason === null ? this.process.kill() : this.kill(reason)));
  }

  /** Unless it has ended by then. */
  #after(delayMs: number, action: () => void): void {
    const timer = setTimeout(action, delayMs);
    void this.process.ended.then(() => clearTimeout(timer));
  }

  #noteFailure(endpoint: string, generation: number, { code, message }: BindFailure): void {
    this.#bindFailures.set(endpoint, { generation, code, message });
  }

  #forgetGeneration(retired: GenerationName): void {
    this.#retiredMeanwhile.push(retired);
    if (this.#figures !== null) this.#figures = withoutGeneration(this.#figures, retired);
  }
}
