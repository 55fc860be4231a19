import type { Outcome } from '../../../src/pool/handler-pool.ts';
import type { EndpointModel } from './model.ts';
import type { SimulatedProcess } from './process.ts';

/** What every endpoint of a run has: the default of the control plane under test. */
const TIMEOUT_MS = 30_000;

export interface AskedRequest {
  readonly endpoint: string;
  readonly process: SimulatedProcess;
  /** Step of the run, and time of the process. */
  readonly sentAt: number;
  readonly sentAtMs: number;
  /** The generation whose handler was called; null: none was. */
  label: string | null;
  /** Exactly one in the end, unless the process died. */
  readonly ends: RequestEnd[];
}

/** `outcome` null: refused, for nothing is loaded. */
interface RequestEnd {
  readonly outcome: Outcome | null;
  readonly at: number;
  readonly atMs: number;
}

/** What is wrong with the end of a request; null: nothing. */
export function judgeRequest(asked: AskedRequest, model: EndpointModel): string | null {
  const { endpoint, sentAt, label, ends, process } = asked;
  const allowed = model.allowedAt(sentAt);
  const name = `a request to ${endpoint} sent at step ${sentAt}`;
  const could = `when only ${[...allowed].map(one => one ?? 'nothing').join(', ')} could serve`;
  if (label !== null && !allowed.has(label)) return `${name} was given to ${label}, ${could}`;
  const [end, second] = ends;
  if (second !== undefined) return `${name} ended ${ends.length} times`;
  if (end === undefined) return process.alive ? `${name} has no end` : null;
  const { outcome } = end;
  const code = outcome === null ? 'endpoint_not_loaded' : outcome.kind === 'failure' ? outcome.code : null;
  switch (code) {
    case null:
    case 'handler_panicked':
      return label === null ? `${name} was answered by nobody` : null;
    case 'endpoint_not_loaded':
      return allowed.has(null) ? null : `${name} was refused, ${could}`;
    case 'handler_timeout':
      return end.atMs - asked.sentAtMs >= TIMEOUT_MS ? null : `${name} timed out early`;
    case 'handler_drain_forced':
      return model.changedSince(sentAt) ? null : `${name} was forced out, and nothing had changed`;
    default:
      return `${name} ended with ${code}`;
  }
}
