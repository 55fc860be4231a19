/** Another generation under load. */
import { setTimeout as pause } from 'node:timers/promises';
import { Refused } from '../deployments.ts';
import type { Shortage } from '../history.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';

/** What a deploy may be refused for, by what is broken at the moment. */
const REFUSALS_ON_A_FULL_DISK = ['storage_failed', 'load_failed', 'compile_failed'];
const REFUSALS_OF_A_BROKEN_COMPILER = ['compile_failed', 'compile_timeout', 'library_refused', 'toolchain_missing'];
const REFUSALS_WITHOUT_DESCRIPTORS = ['load_failed', 'not_serving'];
/** A build, or the start of a process, may take longer than its time limit. */
const REFUSALS_WITHOUT_PROCESSORS = ['compile_timeout', 'not_serving'];

/** Runs an admin call that may be refused while something is broken; else a refusal is a problem. */
export async function unlessBroken(world: World, work: () => Promise<void>): Promise<void> {
  const from = world.history.now();
  try {
    await work();
  } catch (error) {
    if (!(error instanceof Refused)) throw error;
    const isShort = (kind: Shortage): boolean => world.history.isShort(kind, from, world.history.now());
    const allowed = [
      ...(isShort('disk') ? REFUSALS_ON_A_FULL_DISK : []),
      ...(isShort('compiler') ? REFUSALS_OF_A_BROKEN_COMPILER : []),
      ...(isShort('descriptors') ? REFUSALS_WITHOUT_DESCRIPTORS : []),
      ...(world.history.isStarved(from, world.history.now()) ? REFUSALS_WITHOUT_PROCESSORS : []),
    ];
    if (allowed.includes(error.code)) world.count(`refused: ${error.code}`);
    else world.problem(error.message);
  }
}

export async function redeploy(world: World, { endpoint }: Extract<Action, { kind: 'redeploy' }>): Promise<void> {
  await unlessBroken(world, async () => world.deployments.redeploy(endpoint));
}

export async function rollback(
  world: World,
  { endpoint, choice }: Extract<Action, { kind: 'rollback' }>,
): Promise<void> {
  await unlessBroken(world, async () => world.deployments.rollback(endpoint, choice));
}

export async function undeploy(
  world: World,
  { endpoint, pauseMs }: Extract<Action, { kind: 'undeploy' }>,
): Promise<void> {
  await unlessBroken(world, async () => world.deployments.undeploy(endpoint, async () => pause(pauseMs)));
}
