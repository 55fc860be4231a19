import type { BindFailure, FaultReport, RequestLogLine } from '../../src/protocol/control.ts';
import type { PoolEvents } from '../../src/pool/handler-pool.ts';

/** Remembers everything a pool tells. */
export class RecordedEvents implements PoolEvents {
  binds = { started: 0, ended: 0 };
  readonly lines: RequestLogLine[] = [];
  readonly faults: { readonly requestId: string | null; readonly fault: FaultReport }[] = [];
  readonly recycles: string[] = [];
  readonly bindFailures: BindFailure[] = [];
  readonly suspicions: string[] = [];
  idles = 0;
  growthAsked = 0;
  growthAllowed = true;

  binding(): void {
    this.binds.started += 1;
  }

  bound(): void {
    this.binds.ended += 1;
  }

  log(lines: readonly RequestLogLine[]): void {
    this.lines.push(...lines);
  }

  fault(requestId: string | null, fault: FaultReport): void {
    this.faults.push({ requestId, fault });
  }

  recycled(reason: string): void {
    this.recycles.push(reason);
  }

  bindFailed(failure: BindFailure): void {
    this.bindFailures.push(failure);
  }

  idle(): void {
    this.idles += 1;
  }

  mayGrow(): boolean {
    this.growthAsked += 1;
    return this.growthAllowed;
  }

  suspect(reason: string): void {
    this.suspicions.push(reason);
  }
}
