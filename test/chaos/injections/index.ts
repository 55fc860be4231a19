import type { Action, ActionKind } from '../plan.ts';
import type { World } from '../world.ts';
import { floodBodies } from './bodies.ts';
import { oddClient } from './clients.ts';
import { breakCompiler } from './compiler.ts';
import { exhaustDescriptors } from './descriptors.ts';
import { fillDisk } from './disk.ts';
import { askForDenied, askForEndless, askForFault, fillHeaps } from './faults.ts';
import { changeLimits } from './limits.ts';
import { sendMalformed } from './malformed.ts';
import { freezeProcess, hangProcess, killProcess } from './processes.ts';
import { redeploy, rollback, undeploy } from './swaps.ts';
import { wake } from './wakes.ts';

type Injector<K extends ActionKind> = (world: World, action: Extract<Action, { readonly kind: K }>) => Promise<void>;

const INJECTORS: { readonly [K in ActionKind]: Injector<K> } = {
  fault: askForFault,
  endless: askForEndless,
  denied: askForDenied,
  redeploy,
  rollback,
  undeploy,
  wake,
  limits: changeLimits,
  kill: killProcess,
  freeze: freezeProcess,
  hang: hangProcess,
  disk: fillDisk,
  compiler: breakCompiler,
  descriptors: exhaustDescriptors,
  heaps: fillHeaps,
  bodies: floodBodies,
  client: oddClient,
  malformed: sendMalformed,
};

/** Does it; resolves when it is over and what it broke is whole again. */
export function inject<K extends ActionKind>(
  world: World,
  action: Extract<Action, { readonly kind: K }>,
): Promise<void> {
  const injector: Injector<K> = INJECTORS[action.kind];
  return injector(world, action);
}
