import { cold } from './cold.ts';
import { editToLive } from './edit-to-live.ts';
import { FLOODED_SCENARIOS } from './flooded.ts';
import { generations } from './generations.ts';
import { many } from './many.ts';
import { memory } from './memory.ts';
import { REQUEST_SCENARIOS } from './requests.ts';
import type { Scenario } from './scenario.ts';
import { swap } from './swap.ts';

/** All scenarios, in the order in which they are measured and shown. */
export const SCENARIOS: readonly Scenario[] = [
  ...REQUEST_SCENARIOS,
  many,
  ...FLOODED_SCENARIOS,
  cold,
  swap,
  generations,
  editToLive,
  memory,
];
