import { EventEmitter, once } from 'node:events';
import { LIMITS } from '../../config.ts';
import { AdminError } from '../../errors.ts';
import type { Committed, DataPlane, DataPlaneListener, ProcessId, RetiredReport } from '../../lifecycle/data-plane.ts';
import type { EventBus } from '../../observe/events.ts';
import type { FigureLedger } from '../../observe/figure-ledger.ts';
import { countersOf } from '../../observe/figures.ts';
import type {
  DataPlaneSettings,
  EndpointSpec,
  GatewayEvent,
  PrepareOutcome,
  ProcessFigures,
  ReplaceReason,
} from '../../protocol/control.ts';
import { BackOff } from './back-off.ts';
import { DeadlyBinds } from './binds-under-way.ts';
import { CallFailed } from './control-channel.ts';
import { DesiredState, type Change } from './desired-state.ts';
import { removeImagesOf } from './image-files.ts';
import { FlipPage } from './flip-page.ts';
import { planFleet, type FleetSize, type MemberState } from './fleet-plan.ts';
import { GatewayProcess, type ProcessEnd } from './gateway-process.ts';
import type { GuardSource } from '../guard-source.ts';
import { Member } from './member.ts';

export interface FleetOptions extends FleetSize {
  readonly command: readonly string[];
  readonly listeningFd: number;
  /** Where Node keeps compiled modules. */
  readonly compileCacheDir: string;
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
const PREPARE_ATTEMPTS = 2;
/** Binds under way at once while a process starts; more would only wait for the disk and the processors. */
const BINDS_AT_ONCE = 4;

/** A process that was ready for so long did not die of its start: the next one needs no pause. */
const STEADY_MS = 10_000;

interface ProcessCommit {
  readonly draining: number;
  /** When the process had flipped, or was gone. */
  readonly flippedAt: number;
}

/**
 * The gateway processes: keeps their number up, gives each the newest state, and speaks to those that serve as one data
 * plane. A spare is told everything too, but nobody waits for it and nobody hears of what it cannot do until it serves.
 */
export class Fleet implements DataPlane {
  readonly #options: FleetOptions;
  readonly #state = new DesiredState();
  readonly #flips = FlipPage.open();
  readonly #members = new Set<Member>();
  readonly #deadlyBinds = new DeadlyBinds();
  /** Of processes that end without having served. */
  readonly #backOff = new BackOff();
  /** Processes that served and whose place is vacant, or will be as soon as another one takes it; oldest first. */
  readonly #predecessors: Member[] = [];
  #startsPending = 0;
  readonly #signals = new EventEmitter().setMaxListeners(0);
  #listener: DataPlaneListener | null = null;
  #pollTimer: NodeJS.Timeout | undefined;
  #stopping = false;

  constructor(options: FleetOptions) {
    this.#options = options;
  }

  /** Starts the processes with what is deployed; resolves when one serves and the others have had their try. */
  async start(endpoints: readonly EndpointSpec[], listener: DataPlaneListener): Promise<void> {
    this.#listener = listener;
    for (const endpoint of endpoints) this.#state.set(endpoint.id, endpoint, this.#flips.page.place(endpoint.id));
    await Promise.all(Array.from({ length: this.#options.processes }, async () => this.#spawn()));
    this.#pollTimer = setInterval(() => void this.figures(), POLL_INTERVAL_MS).unref();
    while (this.#serving().length === 0) await once(this.#signals, 'serving');
  }

  get members(): readonly Member[] {
    return [...this.#members];
  }

  canServe(): boolean {
    return !this.#stopping && this.#serving().length > 0;
  }

  holders(): readonly ProcessId[] {
    return this.#holders().map(member => member.process.pid);
  }

  async prepare(endpoint: EndpointSpec, ahead = false): Promise<PrepareOutcome> {
    // Nobody waits for it, so neither does it.
    if (ahead && (this.#options.guard.path === null || !this.canServe())) throw new AdminError('not_serving');
    const guardPath = await this.#options.guard.ensure();
    for (let attempt = 0; attempt < PREPARE_ATTEMPTS; attempt += 1) {
      const members = await this.#untilServing();
      const request = { endpoint, ahead, ticket: this.#flips.page.ticket(endpoint) };
      const outcomes = await Promise.all(members.map(async member => member.prepare(request, guardPath)));
      const failure = outcomes.find(outcome => outcome?.ok === false);
      if (failure !== undefined && failure !== null) return failure;
      if (outcomes.some(outcome => outcome?.ok === true)) return { ok: true };
    }
    throw new AdminError('not_serving');
  }

  hasPrepared(endpoint: EndpointSpec): boolean {
    return this.canServe() && this.#serving().every(member => member.hasPrepared(endpoint));
  }

  async abandon(endpoint: string, generation: number): Promise<void> {
    await Promise.all(this.#holders().map(async member => member.abandon(endpoint, generation)));
  }

  async commit(id: string, endpoint: EndpointSpec | null): Promise<Committed> {
    const change = this.#state.set(id, endpoint, this.#flips.page.place(id));
    this.#flips.page.turn(change);
    const turnedAt = performance.now();
    this.#deadlyBinds.superseded(id, endpoint?.serving?.generation ?? null);
    const answers = await Promise.all(this.#holders().map(async member => this.#commitTo(member, change, turnedAt)));
    const flippedAt = Math.max(turnedAt, ...answers.map(answer => answer.flippedAt));
    // Afterwards, so that spares take no time from the swap; one that is promoted meanwhile has caught up.
    setImmediate(() => {
      for (const spare of this.#inState('spare')) void this.#catchUp(spare);
    });
    const versions = [...this.#members].map(member => member.version);
    for (const deleted of this.#state.forgetDeletions(Math.min(this.#state.version, ...versions))) {
      this.#flips.page.forget(deleted);
    }
    return { requestsLeft: answers.reduce((sum, { draining }) => sum + draining, 0), flippedAt };
  }

  async figures(): Promise<readonly ProcessFigures[]> {
    for (const spare of this.#inState('spare')) void this.#poll(spare);
    const polls = this.#holders().map(async member => (await this.#poll(member)) ?? member.figures);
    return (await Promise.all(polls)).filter(figures => figures !== null);
  }

  /** Ends every process, each when its requests are finished. */
  async shutdown(): Promise<void> {
    this.#stopping = true;
    clearInterval(this.#pollTimer);
    await Promise.all(
      [...this.#members].map(async member => {
        if (member.hasServed && member.state !== 'lost') return this.#shutDown(member, { handover: false });
        member.kill('shutdown');
        await member.process.ended;
      }),
    );
  }

  #inState(state: MemberState): Member[] {
    return [...this.#members].filter(member => member.state === state);
  }

  #serving(): Member[] {
    return this.#inState('serving');
  }

  /** Those that may have requests. */
  #holders(): Member[] {
    return [...this.#members].filter(member => member.hasServed);
  }

  async #poll(member: Member): Promise<ProcessFigures | null> {
    const fresh = await member.poll();
    if (fresh === null) {
      if (member.state !== 'draining' && member.silentMs > LIMITS.unresponsiveMs) this.#kill(member, 'unresponsive');
      return null;
    }
    const { pid } = member.process;
    // What a spare has loaded is not what serves.
    this.#options.figures.update(pid, member.hasServed ? fresh : countersOf(fresh));
    if (member.hasServed) this.#listener?.polled(pid, fresh);
    return fresh;
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
  async #commitTo(member: Member, change: Change, turnedAt: number): Promise<ProcessCommit> {
    try {
      const { draining, followed } = await member.commit(change);
      return { draining, flippedAt: followed ? turnedAt : performance.now() };
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind === 'gone') return { draining: 0, flippedAt: turnedAt };
      this.#kill(member, error.kind === 'timeout' ? 'commit_timeout' : 'commit_failed');
      await member.process.ended;
      const flippedAt = performance.now();
      // Where none comes up, the deploy stands all the same: whichever starts next gets it.
      if (!this.#stopping) await this.#untilServing().catch(() => []);
      return { draining: 0, flippedAt };
    }
  }

  /** Does what the plan says; called after everything that may change it. */
  #act(): void {
    if (this.#stopping) return;
    const { promote, relieve, start } = planFleet([...this.#members], this.#options, this.#startsPending);
    for (const member of promote) member.promotion = this.#promote(member);
    for (const member of relieve) this.#relieve(member);
    for (let started = 0; started < start; started += 1) void this.#spawn();
  }

  /** Resolves when the process serves, is a spare, or has ended. */
  async #spawn(): Promise<void> {
    const process = GatewayProcess.spawn({
      command: this.#options.command,
      listeningFd: this.#options.listeningFd,
      flipPageFd: this.#flips.fd,
      compileCacheDir: this.#options.compileCacheDir,
      onEvent: event => this.#receive(member, event),
      onLost: () => this.#lose(member),
      onEnd: end => this.#ended(member, end),
    });
    if (process === null) return this.#refused();
    const member = new Member(process);
    this.#members.add(member);
    this.#tell(member, 'starting', null);
    return this.#bringUp(member);
  }

  /** The operating system refused another process; it may allow one later. */
  #refused(): void {
    const message = 'The operating system refuses to start a gateway process; another attempt follows.';
    this.#options.events.publish({ type: 'failure', message });
    this.#startLater();
  }

  async #bringUp(member: Member): Promise<void> {
    const { guard, settings } = this.#options;
    const bindsAtOnce = this.#deadlyBinds.any ? 1 : BINDS_AT_ONCE;
    const isUp = await this.#mustAnswer(member, 'start_failed', async () =>
      member.bringUp(this.#state, { settings, guard: () => guard.path, bindsAtOnce }),
    );
    if (!isUp) return;
    this.#act();
    if (member.promotion === null) this.#tell(member, 'spare', null);
    else await member.promotion;
  }

  /** The spare has heard of everything before it accepts, for it hears all in the order in which it was sent. */
  async #promote(member: Member): Promise<void> {
    void this.#catchUp(member);
    const predecessor = this.#predecessors.shift() ?? null;
    if (!(await this.#mustAnswer(member, 'accept_failed', async () => member.accept(predecessor)))) return;
    this.#backOff.reset();
    this.#tell(member, 'serving', null);
    this.#listener?.started(this.#state.endpoints(), member.failuresIn(this.#state));
    this.#signals.emit('serving');
    this.#act();
  }

  async #catchUp(member: Member): Promise<void> {
    const { path } = this.#options.guard;
    await this.#mustAnswer(member, 'commit_failed', async () =>
      member.catchUp(this.#state, path, LIMITS.unresponsiveMs),
    );
  }

  /** A process that cannot do what every one has to do is of no use. False: it has ended. */
  async #mustAnswer(member: Member, killReason: string, work: () => Promise<void>): Promise<boolean> {
    try {
      await work();
      return true;
    } catch (error) {
      if (!(error instanceof CallFailed)) throw error;
      if (error.kind !== 'gone') this.#kill(member, killReason);
      await member.process.ended;
      return false;
    }
  }

  #receive(member: Member, event: GatewayEvent): void {
    const { pid } = member.process;
    member.note(event);
    if (event.kind === 'bound') this.#deadlyBinds.survived(event.endpoint, event.generation);
    if (event.kind === 'replace_me') this.#replace(member, event.reason);
    else if (event.kind === 'retired' && member.hasServed) this.#retired(member, event);
    else if (event.kind === 'endpoint_failed' && member.hasServed) {
      this.#listener?.endpointFailed(event.endpoint, event.generation, event);
    } else if (event.kind === 'crash_loop') {
      this.#listener?.crashLooped(event.endpoint, event.generation, event.crashes);
    }
    this.#options.onEvent(pid, event);
  }

  /** What the generation counted moves from the process's figures to the store, in one step: nobody sees it twice. */
  #retired(member: Member, report: RetiredReport): void {
    const { pid } = member.process;
    this.#options.figures.retired(pid, report);
    this.#listener?.retired(pid, report);
  }

  /** Another process first; this one goes when that serves. */
  #replace(member: Member, reason: ReplaceReason): void {
    if (member.leaving || (member.state !== 'serving' && member.state !== 'spare')) return;
    member.leaving = true;
    member.replaceReason = reason;
    if (member.state === 'serving') this.#predecessors.push(member);
    this.#act();
  }

  #relieve(member: Member): void {
    if (member.hasServed) void this.#shutDown(member, { handover: true });
    else this.#kill(member, member.replaceReason ?? 'replaced');
  }

  /** Longest that a process may take to finish its requests. */
  get #drainMs(): number {
    const drains = this.#state.endpoints().map(endpoint => endpoint.drainTimeoutMs);
    return Math.max(this.#options.settings.drainTimeoutSecs * 1_000, ...drains);
  }

  async #shutDown(member: Member, { handover }: { readonly handover: boolean }): Promise<void> {
    const ended = member.shutDown(this.#drainMs, handover);
    this.#tell(member, 'draining', null);
    await ended;
  }

  #kill(member: Member, reason: string): void {
    member.kill(reason);
    this.#lose(member);
  }

  /** Nothing more can be expected of it: what it was for is somebody else's from now on. */
  #lose(member: Member): void {
    if (member.state === 'draining' || member.state === 'lost') return;
    if (member.state === 'serving' && !member.leaving) this.#predecessors.push(member);
    member.lose();
    this.#act();
  }

  #ended(member: Member, end: ProcessEnd): void {
    this.#members.delete(member);
    const { figures, hasServed } = member;
    const hasFinished = member.hasFinished(end);
    this.#options.figures.end(member.process.pid, figures);
    void removeImagesOf(member.process.pid, this.#options.settings.imagesDir);
    if (hasServed) this.#listener?.gone(member.process.pid, { clean: hasFinished, figures });
    this.#tell(member, 'ended', this.#stopping ? null : member.reasonOf(end));
    if (this.#stopping) return;
    if (!hasFinished && !member.wasKilled(end)) this.#blame(member);
    if (member.readyMs > STEADY_MS) this.#backOff.reset();
    if (!hasServed) this.#startLater();
    this.#act();
  }

  #startLater(): void {
    this.#startsPending += 1;
    setTimeout(() => {
      this.#startsPending -= 1;
      this.#act();
    }, this.#backOff.next());
  }

  #blame(member: Member): void {
    // A generation that is only prepared is refused at once, and nobody binds it again.
    const serving = member.binds.all().filter(bind => {
      return this.#state.endpoint(bind.endpoint)?.serving?.generation === bind.generation;
    });
    for (const { endpoint: id, generation } of this.#deadlyBinds.record(serving)) {
      const endpoint = this.#state.endpoint(id);
      if (endpoint === null) continue;
      void this.commit(id, { ...endpoint, serving: null });
      const message = 'Loading the library ended the gateway process, more than once.';
      this.#listener?.endpointFailed(id, generation, { code: 'process_died', message });
    }
  }

  #tell(member: Member, state: Exclude<MemberState, 'lost'> | 'ended', reason: string | null): void {
    this.#options.events.publish({ type: 'process', pid: member.process.pid, state, reason });
  }
}
