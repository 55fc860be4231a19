/** The disk that holds the gateway's data and handlers is full for a while. */
import { setTimeout as pause } from 'node:timers/promises';
import { SWAPPED } from '../endpoints.ts';
import type { Action } from '../plan.ts';
import { allServe } from '../recovery.ts';
import type { World } from '../world.ts';
import { unlessBroken } from './swaps.ts';

export async function fillDisk(world: World, { ms }: Extract<Action, { kind: 'disk' }>): Promise<void> {
  if (world.machine.noDisk !== null) return world.count('disks that cannot be filled here');
  const shortage = world.history.shortage('disk');
  await world.machine.fillDisk();
  await unlessBroken(world, async () => world.deployments.rollback(SWAPPED[0], ms));
  await pause(ms);
  await world.machine.freeDisk();
  await allServe(world);
  shortage.until = world.history.now();
}
