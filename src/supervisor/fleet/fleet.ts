import { EventEmitter, once } from 'node:events';
import { LIMITS } from '../../config.ts';
import { AdminError } from '../../errors.ts';
import type { DataPlane, DataPlaneListener, ProcessId } from '../../lifecycle/data-plane.ts';
import type { EventBus } from '../../observe/events.ts';
import type { FigureLedger } from '../../observe/figure-ledger.ts';
import type {
  DataPlaneSettings,
  EndpointSpec,
  GatewayEvent,
  PrepareOutcome,
  ProcessFigures,
} from '../../protocol/control.ts';
import { BackOff } from './back-off.ts';
import { DeadlyBinds } from './binds-under-way.ts';
import { CallFailed } from './control-channel.ts';
import { DesiredState, type Change } from './desired-state.ts';
import { GatewayProcess, type ProcessEnd } from './gateway-process.ts';
import type { GuardSource } from '../guard-source.ts';
import { Member } from './member.ts';

export interface FleetOptions {
  readonly processes: number;
  readonly command: readonly string[];
  readonly listeningFd: number;
  readonly settings: DataPlaneSettings;
  readonly guard: GuardSource;
  readonly events: EventBus;
  readonly figures: FigureLedger;
  /** Events that are not about the processes themselves: logs, faults. */
  readonly onEvent: (process: ProcessId, event: GatewayEvent) => void;
}

const POLL_INTERVAL_MS = 1_000;
/** Most a call waits for a process to serve. */
const SERVING_TIMEOUT_MS = 30_000;
const ABANDON_TIMEOUT_MS = 10_000;
const PREPARE_ATTEMPTS = 2;
/** Binds under way at once while a process starts; more would only wait for the disk and the processors. */
const BINDS_AT_ONCE = 4;

/** The gateway processes: keeps their number up, gives each the newest state, and speaks to all as one data plane. */
export class Fleet implements DataPlane {
  readonly #options: FleetOptions;
  readonly #state = new DesiredState();
  readonly #members = new Set<Member>();
  readonly #deadlyBinds = new DeadlyBinds();
  /** Of processes that die before they are ready. */
  readonly #backOff = new BackOff();
  readonly #signals = new EventEmitter().setMaxListeners(0);
  #listener: DataPlaneListener | null = null;
  #poll: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Starts the processes with what is deployed; resolves when one serves and the others have had their try. */
  async start(endpoints: readonly EndpointSpec[], listener: DataPlaneListener): Promise<void> {
    this.#listener = listener;
    for (const endpoint of endpoints) this.#state.set(endpoint.id, endpoint);
    await Promise.all(Array.from({ length: this.#options.processes }, async () => this.#spawn()));
    this.#poll = setInterval(() => void this.figures(), POLL_INTERVAL_MS).unref();
    while (this.#serving().length === 0) await once(this.#signals, 'serving');
  }

  get members(): readonly Member[] {
    return [...this.#members];
  }

  canServe(): boolean {
    return !this.#stopping && this.#serving().length > 0;
  }

  holders(): readonly ProcessId[] {
    return this.#started().map(member => member.process.pid);
  }

  async prepare(endpoint: EndpointSpec): Promise<PrepareOutcome> {
    const guardPath = await this.#options.guard.ensure();
    for (let attempt = 0; attempt < PREPARE_ATTEMPTS; attempt += 1) {
      const members = await this.#untilServing();
      const outcomes = await Promise.all(members.map(async member => member.prepare(endpoint, guardPath)));
      const failure = outcomes.find(outcome => outcome?.ok === false);
      if (failure !== undefined && failure !== null) return failure;
      if (outcomes.some(outcome => outcome?.ok === true)) return { ok: true };
    }
    throw new AdminError('not_serving');
  }

  async abandon(endpoint: string, generation: number): Promise<void> {
    const calls = this.#started().map(async ({ process }) =>
      process.call('abandon', { endpoint, generation }, ABANDON_TIMEOUT_MS),
    );
    await Promise.allSettled(calls);
  }

  async commit(id: string, endpoint: EndpointSpec | null): Promise<number> {
    const change = this.#state.set(id, endpoint);
    const draining = await Promise.all(this.#started().map(async member => this.#commitTo(member, change)));
    const versions = [...this.#members].map(member => member.version);
    this.#state.forgetDeletions(Math.min(this.#state.version, ...versions));
    return draining.reduce((sum, requests) => sum + requests, 0);
  }

  async figures(): Promise<readonly ProcessFigures[]> {
    const polls = this.#started().map(async member => {
      const fresh = await member.poll();
      if (fresh !== null) {
        this.#options.figures.update(member.process.pid, fresh);
        this.#listener?.polled(member.process.pid, fresh);
      } else if (member.state === 'serving' && member.silentMs > LIMITS.unresponsiveMs) {
        member.kill('unresponsive');
      }
      return fresh ?? member.figures;
    });
    return (await Promise.all(polls)).filter(figures => figures !== null);
  }

  /** Ends every process, each when its requests are finished. */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#poll);
    await Promise.all(
      [...this.#members].map(async member => {
        if (member.state === 'starting') member.kill('shutdown');
        await this.#shutDown(member);
      }),
    );
  }

  #serving(): Member[] {
    return [...this.#members].filter(member => member.state === 'serving');
  }

  #started(): Member[] {
    return [...this.#members].filter(member => member.state !== 'starting');
  }

  async #untilServing(): Promise<Member[]> {
    const signal = AbortSignal.timeout(SERVING_TIMEOUT_MS);
    while (this.#serving().length === 0) {
      if (this.#stopping) throw new AdminError('shutting_down');
      await once(this.#signals, 'serving', { signal }).catch((error: unknown) => {
        throw new AdminError('not_serving', undefined, { cause: error });
      });
    }
    return this.#serving();
  }

  /** A process that does not acknowledge cannot be left: it would go on answering from an older generation. */
  async #commitTo(member: Member, change: Change): Promise<number> {
    try {
      return await member.commit(change);
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind === 'gone') return 0;
      member.kill(error.kind === 'timeout' ? 'commit_timeout' : 'commit_failed');
      await member.process.ended;
      // Where none comes up, the deploy stands all the same: whichever starts next gets it.
      if (!this.#stopping) await this.#untilServing().catch(() => []);
      return 0;
    }
  }

  /** Resolves when the process serves or has ended. */
  async #spawn(): Promise<void> {
    const process = GatewayProcess.spawn({
      command: this.#options.command,
      listeningFd: this.#options.listeningFd,
      onEvent: event => this.#receive(member, event),
      onEnd: end => this.#ended(member, end),
    });
    // The operating system refused another process; it may allow one later.
    if (process === null) return this.#spawnLater();
    const member = new Member(process);
    this.#members.add(member);
    this.#tell(member, 'starting', null);
    return this.#bringUp(member);
  }

  async #bringUp(member: Member): Promise<void> {
    try {
      const { guard, settings } = this.#options;
      const { served, failed } = await member.bringUp(this.#state, {
        settings,
        guard: () => guard.path,
        bindsAtOnce: this.#deadlyBinds.any ? 1 : BINDS_AT_ONCE,
      });
      this.#backOff.reset();
      this.#tell(member, 'serving', null);
      this.#listener?.started(served, failed);
      this.#signals.emit('serving');
      this.#relieve();
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind !== 'gone') member.kill('start_failed');
      await member.process.ended;
    }
  }

  #receive(member: Member, event: GatewayEvent): void {
    const { pid } = member.process;
    member.note(event);
    if (event.kind === 'bound') this.#deadlyBinds.survived(event.endpoint, event.generation);
    if (event.kind === 'replace_me') this.#replace(member);
    else if (event.kind === 'retired') this.#listener?.retired(pid, event);
    else if (event.kind === 'endpoint_failed') this.#listener?.endpointFailed(event.endpoint, event.generation, event);
    this.#options.onEvent(pid, event);
  }

  /** A fresh process first; the old one goes when that serves. */
  #replace(member: Member): void {
    if (member.leaving || member.state !== 'serving' || this.#stopping) return;
    member.leaving = true;
    void this.#spawn();
  }

  #relieve(): void {
    const relieved = this.#serving().find(member => member.leaving);
    if (relieved !== undefined) void this.#shutDown(relieved);
  }

  async #shutDown(member: Member): Promise<void> {
    const drains = this.#state.endpoints().map(endpoint => endpoint.drainTimeoutMs);
    const drainMs = Math.max(this.#options.settings.drainTimeoutSecs * 1_000, ...drains);
    const ended = member.shutDown(drainMs);
    this.#tell(member, 'draining', null);
    await ended;
  }

  #ended(member: Member, end: ProcessEnd): void {
    const wasStarting = member.state === 'starting';
    const clean = member.state === 'draining' && end.status === 0;
    this.#members.delete(member);
    const { figures } = member;
    this.#options.figures.end(member.process.pid, figures);
    this.#listener?.gone(member.process.pid, { clean, figures });
    this.#tell(member, 'ended', this.#stopping ? null : reasonOf(member, clean, end));
    if (this.#stopping) return;
    if (!clean && !member.wasKilled(end)) this.#blame(member);
    if (member.leaving) return;
    if (wasStarting) this.#spawnLater();
    else void this.#spawn();
  }

  #spawnLater(): void {
    setTimeout(() => {
      if (!this.#stopping) void this.#spawn();
    }, this.#backOff.next());
  }

  #blame(member: Member): void {
    for (const { endpoint: id, generation } of this.#deadlyBinds.record(member.binds)) {
      const endpoint = this.#state.endpoint(id);
      if (endpoint?.serving?.generation !== generation) continue;
      void this.commit(id, { ...endpoint, serving: null });
      const message = 'Loading the library ended the gateway process, more than once.';
      this.#listener?.endpointFailed(id, generation, { code: 'process_died', message });
    }
  }

  #tell(member: Member, state: 'starting' | 'serving' | 'draining' | 'ended', reason: string | null): void {
    this.#options.events.publish({ type: 'process', pid: member.process.pid, state, reason });
  }
}

/** In few fixed words, since it is a metric's label. */
function reasonOf(member: Member, clean: boolean, end: ProcessEnd): string {
  if (clean) return 'replaced';
  if (member.killReason !== null) return member.killReason;
  return end.signal ?? `exit_${end.status ?? 'unknown'}`;
}
