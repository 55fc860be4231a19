import type { Turns } from '../../src/lifecycle/turns.ts';
import type { RunningGateway } from '../support/gateway.ts';
import type { Asking, KnownBody } from './asking.ts';
import type { Deployments } from './deployments.ts';
import type { History } from './history.ts';
import type { Machine } from './machine.ts';

/** What injections act on. */
export interface World {
  readonly gateway: RunningGateway;
  readonly history: History;
  readonly asking: Asking;
  readonly deployments: Deployments;
  readonly machine: Machine;
  /** Gateway processes there are to be. */
  readonly processes: number;
  readonly smallBody: KnownBody;
  readonly largeBody: KnownBody;
  /** Processes that an injection has ended or stopped: their end is no surprise. */
  readonly condemned: Set<number>;
  /** Ids of requests whose faults were to have their process replaced. */
  readonly suspects: Set<string>;
  /** For what only one injection at a time can break. */
  readonly turns: Turns;
  /** Something else than a request went wrong. */
  readonly problem: (what: string) => void;
  /** Counts what a run has seen, for its summary. */
  readonly count: (what: string) => void;
}
