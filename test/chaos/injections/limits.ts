/** Timeouts and threads that change while requests run. */
import { RETIMED } from '../endpoints.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';
import { unlessBroken } from './swaps.ts';

export async function changeLimits(
  world: World,
  { timeoutMs, threads }: Extract<Action, { kind: 'limits' }>,
): Promise<void> {
  await unlessBroken(world, async () => world.deployments.setLimits(RETIMED, timeoutMs, threads));
}
