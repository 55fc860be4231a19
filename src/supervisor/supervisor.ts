/** The wiring of the control plane, and the order in which it comes up. */
import { mkdirSync, rmSync } from 'node:fs';
import { resolve } from 'node:path';
import { isatty } from 'node:tty';
import { fileURLToPath } from 'node:url';
import { createAdminApp } from '../admin/app.ts';
import { keptKey } from '../admin/key.ts';
import type { AdminParts, DataPlaneView, ProcessView } from '../admin/parts.ts';
import type { Compiler, CompileProgress } from '../build/compiler.ts';
import { createCompiler } from '../build/create-compiler.ts';
import type { Settings } from '../config.ts';
import { Lifecycle } from '../lifecycle/lifecycle.ts';
import { Backtraces } from '../observe/backtrace/backtraces.ts';
import { logEvents } from '../observe/event-log.ts';
import { EventBus } from '../observe/events.ts';
import { FigureLedger } from '../observe/figure-ledger.ts';
import { HandlerLogs } from '../observe/handler-log.ts';
import { createLog, type Logger } from '../observe/log.ts';
import { Metrics } from '../observe/metrics.ts';
import type { ProcessFigures } from '../protocol/control.ts';
import { lockDataDirectory } from '../store/data-directory.ts';
import type { BuildRecord, Store } from '../store/records.ts';
import { openStore } from '../store/sqlite-store.ts';
import { serveAdmin, stopAdmin } from './admin-server.ts';
import { buildGuard, workInBackground } from './background-work.ts';
import { dataPlaneSettings, endpointDefaults } from './data-plane-settings.ts';
import { Fleet } from './fleet/fleet.ts';
import type { Member } from './fleet/member.ts';
import { reportGatewayEvent } from './gateway-events.ts';
import { GuardSource } from './guard-source.ts';
import { ListeningSocket } from './listening-socket.ts';
import { Shutdown } from './shutdown.ts';

export interface SupervisorOptions {
  readonly settings: Settings;
  readonly unknownVariables: readonly string[];
  readonly version: string;
  /** What Node runs as a gateway process. */
  readonly gatewayCommand: readonly string[];
}

const STDOUT = 1;
const CRATES_DIR = fileURLToPath(new URL('../../crates', import.meta.url));

/** What watches and is told, and needs nothing else. */
interface Observers {
  readonly log: Logger;
  readonly events: EventBus;
  readonly handlerLogs: HandlerLogs;
  readonly figures: FigureLedger;
}

interface ControlPlane extends Observers {
  readonly store: Store;
  readonly compiler: Compiler;
  readonly fleet: Fleet;
  readonly lifecycle: Lifecycle;
  readonly guard: GuardSource;
  readonly backtraces: Backtraces;
}

/**
 * Brings the gateway up; resolves when it can serve what is deployed. What takes long and nothing waits for (the guard
 * while nothing is deployed, priming, the example) goes on behind the ready line.
 * @throws StartupError
 */
export async function startSupervisor(options: SupervisorOptions): Promise<void> {
  const { settings, version } = options;
  const observers = createObservers(options);
  const lock = lockDataDirectory(settings.dataDir);
  const store = openStore(settings.dataDir);
  const key = settings.adminApiKey ?? keptKey(settings.dataDir);
  const gatewaySocket = await ListeningSocket.open(settings.host, settings.gatewayPort);
  const adminSocket = await ListeningSocket.open(settings.adminHost, settings.adminPort);
  const plane = createControlPlane(options, observers, store, gatewaySocket);
  const { log, fleet, compiler, backtraces } = plane;

  const shutdown = new Shutdown({ log, exit: status => exit(status, backtraces) });
  shutdown.add('public socket', () => gatewaySocket.close());
  shutdown.add('gateway processes', () => fleet.shutdown());
  shutdown.add('faults', () => backtraces.close());
  shutdown.add('builds', () => compiler.close());
  shutdown.listen();

  const isNew = plane.store.endpoints({ limit: 1 }).length === 0;
  const outdated = await startDataPlane(settings, plane);
  const server = await serveAdmin(createAdminApp(adminParts(options, plane, key)), adminSocket.fd);
  shutdown.add('admin API', () => stopAdmin(server));
  shutdown.add('store', () => store.close());
  shutdown.add('data directory', () => lock.release());
  // Scripts learn the addresses from this line, so it comes whatever LOG_LEVEL says.
  log
    .child({}, { level: 'info' })
    .info({ event: 'ready', gateway: gatewaySocket.url, admin: adminSocket.url, version }, 'ready');
  void workInBackground(plane, { isNew, outdated });
}

/** A second signal leaves out the steps of an orderly end; what faults wait for would be lost with it. */
function exit(status: number, backtraces: Backtraces): never {
  backtraces.close();
  process.exit(status);
}

function createObservers({ settings, unknownVariables }: SupervisorOptions): Observers {
  const log = createLog({ level: settings.logLevel, terminal: isatty(STDOUT) });
  for (const variable of unknownVariables) {
    log.warn({ event: 'unknown_variable', variable }, `${variable} is no setting of this version`);
  }
  process.on('unhandledRejection', error => log.error({ event: 'unhandled', err: error }, 'a fault of the supervisor'));
  const observers = { log, events: new EventBus(), handlerLogs: new HandlerLogs(), figures: new FigureLedger() };
  logEvents(observers.events, log);
  observers.events.subscribe(event => {
    if (event.type !== 'endpoint') return;
    if (event.change === 'created') observers.handlerLogs.open(event.endpoint);
    if (event.change !== 'deleted') return;
    observers.handlerLogs.forget(event.endpoint);
    observers.figures.forget(event.endpoint);
  });
  return observers;
}

function createControlPlane(
  { settings, gatewayCommand }: SupervisorOptions,
  observers: Observers,
  store: Store,
  gatewaySocket: ListeningSocket,
): ControlPlane {
  const { events, figures } = observers;
  const compiler = createCompiler({
    handlersDir: settings.handlersDir,
    buildDir: settings.buildDir,
    dataDir: settings.dataDir,
    cratesDir: CRATES_DIR,
    concurrency: settings.compileConcurrency,
    timeoutMs: settings.compileTimeoutSecs * 1_000,
    findBuild: (endpoint, buildKey) => store.buildByKey(endpoint, buildKey),
    onProgress: progress => reportProgress(events, progress),
    log: observers.log,
  });
  const backtraces = createBacktraces(store, compiler, events);
  const guard = new GuardSource(() => compiler.guardPath());
  const fleet = new Fleet({
    processes: settings.processes,
    spares: settings.spareProcesses,
    command: gatewayCommand,
    listeningFd: gatewaySocket.fd,
    compileCacheDir: resolve(settings.dataDir, 'compile-cache'),
    settings: dataPlaneSettings(settings),
    guard,
    events,
    figures,
    onEvent: (process, event) => reportGatewayEvent({ ...observers, backtraces }, process, event),
  });
  const lifecycle = new Lifecycle({
    store,
    compiler,
    dataPlane: fleet,
    events,
    defaults: endpointDefaults(settings),
    bakeMs: settings.bakeSecs * 1_000,
  });
  return { ...observers, store, compiler, fleet, lifecycle, guard, backtraces };
}

function createBacktraces(store: Store, compiler: Compiler, events: EventBus): Backtraces {
  const backtraces = new Backtraces({
    digestOf: (endpoint, generation) => {
      const build = store.generation(endpoint, generation)?.buildId;
      return build === undefined ? null : (store.build(build)?.digest ?? null);
    },
    symbols: digest => compiler.symbols(digest),
  });
  events.subscribe(event => {
    if (event.type === 'endpoint' && event.change === 'deleted') backtraces.forget(event.endpoint);
  });
  return backtraces;
}

/** The last phases of a build are events of their own, with the build or the error. */
function reportProgress(events: EventBus, { endpointId, phase, crate }: CompileProgress): void {
  if (phase === 'finished' || phase === 'failed') return;
  events.publish({ type: 'build_progress', endpoint: endpointId, phase, crate });
}

/** @returns builds of an older ABI, which serve only once they are built again. */
async function startDataPlane(settings: Settings, plane: ControlPlane): Promise<readonly BuildRecord[]> {
  const { lifecycle, fleet, guard, log, handlerLogs } = plane;
  emptyFolder(dataPlaneSettings(settings).imagesDir);
  const { endpoints, outdated } = await lifecycle.recover();
  for (const { id } of endpoints) handlerLogs.open(id);
  if (endpoints.some(({ serving }) => serving !== null)) await buildGuard(guard, log);
  await fleet.start(endpoints, lifecycle.listener);
  return outdated;
}

/** Private copies of libraries live only between copy and unlink; what is there after a start, a crash has left. */
function emptyFolder(path: string): void {
  rmSync(path, { recursive: true, force: true });
  mkdirSync(path, { recursive: true, mode: 0o700 });
}

/** One that is lost counts as draining: it takes nothing new, and will be gone in a moment. */
const processView = ({ process: { pid }, state, since, figures }: Member): ProcessView => ({
  pid,
  state: state === 'lost' ? 'draining' : state,
  since,
  faults: figures?.faultsTotal ?? 0,
});

function adminParts({ settings, version }: SupervisorOptions, plane: ControlPlane, key: string): AdminParts {
  const { store, lifecycle, fleet, events, figures, handlerLogs, log } = plane;
  const freshFigures = async (): Promise<ProcessFigures> => {
    await fleet.figures();
    return figures.total();
  };
  const dataPlane: DataPlaneView = {
    canServe: () => fleet.canServe(),
    processes: () => fleet.members.map(processView),
    figures: freshFigures,
    lastMemory: () => figures.memoryBytes(),
  };
  const metrics = new Metrics({ events, store, figures: freshFigures });
  const allowedHosts = [settings.adminHost, ...settings.adminAllowedHosts];
  const startedAt = Date.now();
  return { store, lifecycle, dataPlane, events, handlerLogs, metrics, log, key, allowedHosts, version, startedAt };
}
