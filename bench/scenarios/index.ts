import { REQUEST_SCENARIOS } from './requests.ts';
import type { Scenario } from './scenario.ts';

/** All scenarios, in the order in which they are measured and shown. */
export const SCENARIOS: readonly Scenario[] = [...REQUEST_SCENARIOS];
