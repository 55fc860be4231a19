import type { Action, ActionKind } from '../plan.ts';
import type { World } from '../world.ts';
import { floodBodies } from './bodies.ts';
import { oddClient } from './clients.ts';
import { breakCompiler } from './compiler.ts';
import { exhaustDescriptors } from './descriptors.ts';
import { fillDisk } from './disk.ts';
import { askForDenied, askForEndless, askForFault, askForSuspect, fillHeaps } from './faults.ts';
import { changeLimits } from './limits.ts';
import { sendMalformed } from './malformed.ts';
import { freezeProcess, hangProcess, killBoth, killProcess, killSpare } from './processes.ts';
import { redeploy, rollback, undeploy } from './swaps.ts';
import { wake } from './wakes.ts';

type Injector<K extends ActionKind> = (world: World, action: Extract<Action, { readonly kind: K }>) => Promise<void>;

const INJECTORS: { readonly [K in ActionKind]: Injector<K> } = {
  fault: askForFault,
  endless: askForEndless,
  denied: askForDenied,
  suspect: askForSuspect,
  redeploy,
  rollback,
  undeploy,
  wake,
  limits: changeLimits,
  kill: killProcess,
  kill_spare: killSpare,
  kill_both: killBoth,
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

const IN_TURN = new Set<ActionKind>(['kill', 'kill_spare', 'kill_both', 'freeze', 'hang']);

/** Does it; resolves when it is over and what it broke is whole again. */
export function inject<K extends ActionKind>(
  world: World,
  action: Extract<Action, { readonly kind: K }>,
): Promise<void> {
  const injector: Injector<K> = INJECTORS[action.kind];
  // A process is ended only when the one before was replaced: what ends them all the time shows nothing but that.
  return IN_TURN.has(action.kind)
    ? world.turns.take('process', () => injector(world, action))
    : injector(world, action);
}
