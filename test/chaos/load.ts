/** Clients that ask without a pause longer than a moment, some on one connection, some on a new one each time. */
import { setTimeout as pause } from 'node:timers/promises';
import { echoQuestion, witnessQuestion, type Question } from './asking.ts';
import type { ClientConnection } from './connection.ts';
import { ECHO, FAULTY, FORCED, FORCED_DRAIN_MS, PARKED, RETIMED, STEADY, SWAPPED } from './endpoints.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

export interface LoadOptions {
  readonly clients: number;
  /** Mean pause of a client between two requests. */
  readonly pauseMs: number;
  readonly stop: AbortSignal;
}

const RETIMED_WAIT_MS = 400;
/** Mean pause between two requests of the client that has every process serve the steady endpoint all the time. */
const PULSE_MS = 50;

/** What a client asks next: mostly who is there, at once or after a wait. */
function nextQuestion({ smallBody }: World, random: Random): Question {
  const endpoint = random.pick([STEADY, STEADY, ECHO, ...SWAPPED, ...SWAPPED, PARKED, RETIMED, FORCED, ...FAULTY]);
  if (endpoint === ECHO) return echoQuestion(endpoint, smallBody);
  if (endpoint === RETIMED) return witnessQuestion(endpoint, random.whole(0, RETIMED_WAIT_MS));
  if (endpoint === FORCED) return witnessQuestion(endpoint, random.pick([0, FORCED_DRAIN_MS * 4]));
  return witnessQuestion(endpoint, random.chance(0.2) ? random.whole(1, 60) : 0);
}

/** Resolves when every client has finished the request it had under way. */
export async function runLoad(world: World, random: Random, options: LoadOptions): Promise<void> {
  const { clients, pauseMs, stop } = options;
  const all = Array.from({ length: clients }, async (_, index) => client(random.fork(`client ${index}`), index));
  await Promise.all([...all, pulse(random.fork('pulse'))]);

  async function client(own: Random, index: number): Promise<void> {
    const keepsAlive = index % 4 !== 0;
    let kept: ClientConnection | null = null;
    while (!stop.aborted) {
      if (kept === null || !(await kept.isUsable())) kept = keepsAlive ? world.asking.connect() : null;
      await world.asking.ask(nextQuestion(world, own), kept ?? undefined);
      await pause(2 * pauseMs * own.next());
    }
    kept?.close();
  }

  async function pulse(own: Random): Promise<void> {
    while (!stop.aborted) {
      await world.asking.ask(witnessQuestion(STEADY));
      await pause(2 * PULSE_MS * own.next());
    }
  }
}

/** A burst for an endpoint that may be asleep. */
export async function burst(world: World, endpoint: string, requests: number): Promise<void> {
  await Promise.all(Array.from({ length: requests }, async () => world.asking.ask(witnessQuestion(endpoint))));
}
