import { conformance } from './conformance.ts';
import { ringPools } from './ring-pools.ts';

const pools = await ringPools();

conformance('ring pool', (limits, handler) =>
  handler === 'kit' ? pools.make(limits) : pools.make(limits, '/nowhere/libhandler_kit.so'),
);
