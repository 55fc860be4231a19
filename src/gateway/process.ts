import { closeSync } from 'node:fs';
import type { Server } from 'node:http';
import { flushCompileCache } from 'node:module';
import { LIMITS } from '../config.ts';
import { EXIT_STATUS } from '../errors.ts';
import { createPoolFactory, type PoolFactoryOptions } from '../pool/factory.ts';
import type { PoolFactory } from '../pool/handler-pool.ts';
import { takeCompileCacheDir } from '../protocol/compile-cache.ts';
import { FLIP_PAGE_DESCRIPTOR, mapFlipPage } from '../protocol/flip-page.ts';
import { systemClock } from '../serving/clock.ts';
import type { GatewayEvent } from '../protocol/control.ts';
import { ControlChannel, processLink, type ControlHandlers } from './control-channel.ts';
import { DataPlane } from './data-plane.ts';
import { EventOutlet } from './event-outlet.ts';

/** The public listening socket, inherited from the supervisor. Descriptor 3 is the IPC channel. */
const LISTENING_DESCRIPTOR = 4;
/** The supervisor waits for it to close: so it learns of the death of this process. */
const LIFELINE_DESCRIPTOR = 5;

/**
 * When the supervisor has died, nobody else will answer the clients that are connected: what they have sent by now is
 * still served.
 */
const ORPHAN_GRACE_MS = 250;

/** Longest the last event may take on its way before the process ends anyway. */
const LAST_WORD_MS = 500;

/** Runs a gateway process: the supervisor started it, tells it everything over IPC, and outlives it. */
export function runGatewayProcess(): void {
  const compileCacheDir = takeCompileCacheDir();
  const link = processLink();
  const channel = new ControlChannel(link);
  // The supervisor decides what a signal means; a terminal sends them to the whole process group.
  for (const signal of ['SIGTERM', 'SIGINT']) process.on(signal, () => undefined);
  process.on('uncaughtException', error => void dieOf(error, channel));
  const plane: { current: DataPlane | null } = { current: null };
  channel.serve(handlersFor(plane, channel, compileCacheDir), call => {
    if (call === 'shutdown') process.exit(0);
  });
  link.onDisconnect(() => void endOrphaned(plane.current));
}

function handlersFor(
  plane: { current: DataPlane | null },
  channel: ControlChannel,
  compileCacheDir: string | null,
): ControlHandlers {
  const started = (): DataPlane => {
    if (plane.current === null) throw new Error('The first call to a gateway process is "start".');
    return plane.current;
  };
  return {
    async start(request) {
      const { settings } = request;
      const outlet = new EventOutlet(event => channel.emit(event));
      const emit = (event: GatewayEvent): void => outlet.emit(event);
      const createPools = (options: PoolFactoryOptions): PoolFactory =>
        createPoolFactory({ ...options, lifelineFd: LIFELINE_DESCRIPTOR, compileCacheDir });
      const flipPage = mapFlipPage(FLIP_PAGE_DESCRIPTOR, 'read');
      closeSync(FLIP_PAGE_DESCRIPTOR);
      plane.current = new DataPlane({ settings, emit, clock: systemClock, flipPage, listen, createPools });
      const answer = await plane.current.start(request);
      // Node does so only when a process ends by itself, and this one may be killed.
      flushCompileCache();
      return answer;
    },
    guard: request => started().guard(request),
    accept: request => started().accept(request),
    prepare: request => started().prepare(request),
    abandon: request => started().abandon(request),
    commit: request => started().commit(request),
    figures: () => started().figures(),
    shutdown: request => started().shutdown(request),
  };
}

function listen(server: Server): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    // Node calls listen(2) again, and would cut the supervisor's backlog down to 511. For a descriptor it takes the
    // backlog as an argument only, not as an option.
    server.listen({ fd: LISTENING_DESCRIPTOR }, LIMITS.listenBacklog, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

/** The supervisor is gone: takes the connections that wait, closes the listening descriptor, drains and ends. */
async function endOrphaned(plane: DataPlane | null): Promise<never> {
  if (plane === null || !plane.accepting) process.exit(0);
  // The accept queue is emptied in the event loop's poll phase; after the second immediate one has passed for sure.
  await new Promise(resolve => setImmediate(() => setImmediate(resolve)));
  await plane.endAfter(ORPHAN_GRACE_MS);
  process.exit(0);
}

/** An error nobody caught leaves a process in an unknown state: it says so and ends, and the supervisor starts another. */
async function dieOf(error: Error, channel: ControlChannel): Promise<never> {
  setTimeout(() => process.exit(EXIT_STATUS.software), LAST_WORD_MS);
  const fields = { error: error.stack ?? error.message };
  await channel.emit({
    kind: 'log',
    level: 'error',
    message: 'A gateway process ends over a fault of its own.',
    fields,
  });
  process.exit(EXIT_STATUS.software);
}
