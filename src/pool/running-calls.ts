import type { MainGuard } from './guard.ts';
import type { WorkerLink } from './worker-link.ts';

export interface RunningCall {
  readonly link: WorkerLink;
  readonly slot: number;
  /** One call's for ever: what has ended meanwhile, and whoever has the slot by then, is left alone. */
  readonly call: bigint;
}

/** The calls that run on these workers at the moment. */
export function* runningCalls(workers: Iterable<WorkerLink>, guard: MainGuard): Generator<RunningCall> {
  for (const link of workers) {
    const { slot } = link;
    const call = slot === null ? 0n : guard.running(slot);
    if (slot !== null && call !== 0n) yield { link, slot, call };
  }
}
