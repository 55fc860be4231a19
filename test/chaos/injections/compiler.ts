/** A compiler that fails, hangs, dies or writes rubbish: the build fails, what serves goes on. */
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
  shortage.until = world.history.now();
  await unlessBroken(world, async () => world.deployments.redeploy(endpoint));
}
