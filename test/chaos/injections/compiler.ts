/** A compiler that fails, hangs, dies or writes rubbish: the build fails, what serves goes on. */
import { Refused } from '../deployments.ts';
import type { Action } from '../plan.ts';
import type { World } from '../world.ts';
import { unlessBroken } from './swaps.ts';

export async function breakCompiler(
  world: World,
  { broken, endpoint }: Extract<Action, { kind: 'compiler' }>,
): Promise<void> {
  const shortage = world.history.shortage('compiler');
  world.machine.breakCompiler(broken);
  await unlessBroken(world, async () => {
    await world.deployments.compile(endpoint);
    world.problem(`a compiler that ${broken} gave ${endpoint} a build`);
  });
  world.machine.mendCompiler();
  await unlessBroken(world, async () => {
    try {
      await world.deployments.redeploy(endpoint);
    } catch (error) {
      if (error instanceof Refused && !world.history.isShort('disk', shortage.from, Infinity)) {
        world.problem(`after the compiler was mended: ${error.message}`);
      }
      throw error;
    }
  });
  shortage.until = world.history.now();
}
