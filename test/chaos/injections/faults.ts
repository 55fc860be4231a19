/** Handlers that do wrong. */
import { FAULTS } from '../../support/misdeeds.ts';
import { faultQuestion } from '../asking.ts';
import type { ClientConnection } from '../connection.ts';
import { FAULTY } from '../endpoints.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';

/** Connections that are free for the next fault. */
const idle = new WeakMap<World, ClientConnection[]>();

export async function askForFault(world: World, action: Extract<Action, { kind: 'fault' }>): Promise<void> {
  const { endpoint, misdeed, keepAlive } = action;
  const free = idle.get(world) ?? [];
  idle.set(world, free);
  // The one that has waited longest: none is idle for so long that a process that ends gives it up.
  const kept = keepAlive ? free.shift() : undefined;
  const connection = kept !== undefined && (await kept.isUsable()) ? kept : world.asking.connect();
  await world.asking.ask(faultQuestion(endpoint, misdeed), connection);
  if (keepAlive && connection.isOpen) free.push(connection);
  else connection.close();
}

export async function askForEndless(
  world: World,
  { endpoint, misdeed }: Extract<Action, { kind: 'endless' }>,
): Promise<void> {
  await world.asking.ask(faultQuestion(endpoint, misdeed));
}

export async function askForDenied(world: World, { endpoint, op }: Extract<Action, { kind: 'denied' }>): Promise<void> {
  const path = `/${endpoint}?op=${op}`;
  await world.asking.ask({ endpoint, operation: op, path, expected: { kind: 'denied' } });
}

/** The fault is one of libc's; `SUSPECT` is no misdeed of the kit, since what it costs is a process. */
const SUSPECT = { op: 'suspect', code: 'handler_crashed', kind: 'memory' } as const;

/** The process that has the fault serves until another does, then drains: none of its requests may be lost. */
export async function askForSuspect(world: World, { endpoint }: Extract<Action, { kind: 'suspect' }>): Promise<void> {
  world.suspects.add((await world.asking.ask(faultQuestion(endpoint, SUSPECT))).requestId);
}

const HEAP_FILLERS = FAULTS.filter(({ kind }) => kind === 'out_of_memory');

/** Every faulty endpoint at the limit of its heap, all at the same time. */
export async function fillHeaps(world: World, { requests }: Extract<Action, { kind: 'heaps' }>): Promise<void> {
  const questions = FAULTY.flatMap(endpoint =>
    Array.from({ length: requests }, (_, index) => HEAP_FILLERS[index % HEAP_FILLERS.length])
      .filter(misdeed => misdeed !== undefined)
      .map(misdeed => faultQuestion(endpoint, misdeed)),
  );
  await Promise.all(questions.map(async question => world.asking.ask(question)));
}
