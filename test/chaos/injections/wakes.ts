/** Endpoints that have gone to sleep, and are woken by a burst of requests, or swapped meanwhile. */
import { mappedImages } from '../../support/gateway.ts';
import { burst } from '../load.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';
import { unlessBroken } from './swaps.ts';

export async function wake(world: World, action: Extract<Action, { kind: 'wake' }>): Promise<void> {
  const { endpoint, requests, swap } = action;
  const pids = await world.gateway.servingPids();
  const mapped = await Promise.all(pids.map(async pid => mappedImages(pid, endpoint).catch(() => [])));
  world.count(mapped.flat().length === 0 ? 'bursts that woke' : 'bursts on an endpoint that was awake');
  const swapped = swap ? unlessBroken(world, async () => world.deployments.rollback(endpoint, requests)) : null;
  await burst(world, endpoint, requests);
  await swapped;
}
