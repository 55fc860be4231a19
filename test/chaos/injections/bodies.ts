/** More request bodies at once than the gateway holds. */
import { echoQuestion } from '../asking.ts';
import { ECHO } from '../endpoints.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';

export async function floodBodies(world: World, { requests }: Extract<Action, { kind: 'bodies' }>): Promise<void> {
  const shortage = world.history.shortage('bodies');
  await Promise.all(
    Array.from({ length: requests }, async () => world.asking.ask(echoQuestion(ECHO, world.largeBody))),
  );
  shortage.until = world.history.now();
}
