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

/**
 * What is done one after the other, by the name of the turn: what one breaks, another would mend; and a process is ended
 * only when the one before was replaced, for what ends them all the time shows nothing but that.
 */
const TURNS: Partial<Record<ActionKind, string>> = {
  kill: 'process',
  kill_spare: 'process',
  kill_both: 'process',
  freeze: 'process',
  hang: 'process',
  compiler: 'compiler',
  descriptors: 'descriptors',
};

/** Does it; resolves when it is over and what it broke is whole again. */
export function inject<K extends ActionKind>(
  world: World,
  action: Extract<Action, { readonly kind: K }>,
): Promise<void> {
  const injector: Injector<K> = INJECTORS[action.kind];
  const turn = TURNS[action.kind];
  return turn === undefined ? injector(world, action) : world.turns.take(turn, () => injector(world, action));
}
