import type { FaultReport } from '../../protocol/control.ts';
import type { FaultKind } from '../../protocol/guard.ts';
import type { Backtrace } from './backtraces.ts';
import { isOwn } from './trim.ts';

type Describable = Pick<FaultReport, 'kind' | 'code' | 'address' | 'message'>;

const DESCRIPTIONS: Readonly<Record<FaultKind, (fault: Describable) => string>> = {
  none: () => 'fault',
  memory: ({ address }) => `memory fault at address 0x${address}`,
  stack_overflow: () => 'stack overflow',
  illegal_instruction: () => 'illegal instruction',
  arithmetic: () => 'arithmetic fault',
  abort: () => 'abort',
  interrupted: () => 'interrupted, out of time,',
  system_call: () => 'system call that a handler may not make',
  exit: ({ code }) => `exit with status ${code}`,
  out_of_memory: () => 'out of memory',
  panic: () => 'panic',
  invalid_output: () => 'output that makes no sense',
};

/** A fault in a line: what it was and where, `memory fault at address 0x8 in handler_a::inner (src/lib.rs:12)`. */
export function faultText(fault: Describable, backtrace: Backtrace): string {
  // A panic's own message ends with its place.
  if (fault.message !== null) return fault.message;
  const what = DESCRIPTIONS[fault.kind](fault);
  const where = whereText(backtrace);
  return where === null ? what : `${what} ${where}`;
}

/** The innermost frame of the author's own source, else the innermost one. */
function whereText(backtrace: Backtrace): string | null {
  const frame = backtrace.find(isOwn) ?? backtrace[0];
  if (frame === undefined) return null;
  if (frame.function === null) return `at offset ${frame.offset} of the library`;
  const line = frame.line === null ? '' : `:${frame.line}`;
  const place = frame.file === null ? '' : ` (${frame.file}${line})`;
  // The body of an async function is a closure in it.
  return `in ${frame.function.replace(/(::\{\{closure\}\})+$/, '')}${place}`;
}
