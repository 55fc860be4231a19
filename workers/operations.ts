import { TIMER_MAX_MS, monotonicNowMs } from '../src/protocol/clock.ts';
import { OPERATION, OPERATION_STATUS } from '../src/protocol/frame.ts';

/** Gives an operation's result to the request that asked for it. */
export type OperationDone = (status: number, payload: Uint8Array | null) => void;

/** The result is not wanted any more. */
export type StopOperation = () => void;

/** Starts a host operation; `payload` is only valid during this call. `done` is called later, at most once. */
export function startOperation(kind: number, payload: Buffer, done: OperationDone): StopOperation {
  if (kind === OPERATION.sleep && payload.length === 8) return sleep(payload.readBigUInt64LE(0), done);
  const immediate = setImmediate(() => done(OPERATION_STATUS.unknown, null));
  return () => clearImmediate(immediate);
}

/**
 * Never shorter than asked for. Node's timers count whole milliseconds and may fire up to one early, so what is left
 * after them, and every sleep under a millisecond, is waited for by looking once per turn of the event loop.
 */
function sleep(nanoseconds: bigint, done: OperationDone): StopOperation {
  const dueMs = monotonicNowMs() + Number(nanoseconds) / 1e6;
  let timer: NodeJS.Timeout | null = null;
  let immediate: NodeJS.Immediate | null = null;
  const look = (): void => {
    const leftMs = dueMs - monotonicNowMs();
    if (leftMs <= 0) done(OPERATION_STATUS.done, null);
    else if (leftMs < 1) immediate = setImmediate(look);
    else timer = setTimeout(look, Math.min(Math.ceil(leftMs), TIMER_MAX_MS));
  };
  look();
  return () => {
    if (timer !== null) clearTimeout(timer);
    if (immediate !== null) clearImmediate(immediate);
  };
}
