/** The disk that holds the gateway's data and handlers is full for a while. */
import { setTimeout as pause } from 'node:timers/promises';
import { SWAPPED } from '../endpoints.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';
import { unlessBroken } from './swaps.ts';

export async function fillDisk(world: World, { ms }: Extract<Action, { kind: 'disk' }>): Promise<void> {
  if (world.machine.noDisk !== null) return world.count('disks that cannot be filled here');
  let swap: Promise<void> | undefined;
  await world.turns.take('disk', async () => {
    const shortage = world.history.shortage('disk');
    await world.machine.fillDisk();
    // Not waited for: it may be its turn only after a compiler that hangs.
    swap = unlessBroken(world, async () => world.deployments.rollback(SWAPPED[0], ms));
    await pause(ms);
    await world.machine.freeDisk();
    world.history.isMended(shortage);
  });
  await swap;
}
