/** Everything `test/fixtures/kit.rs` can do wrong, with what its client has to see of it. */
import type { PublicErrorCode } from '../../src/errors.ts';
import type { FaultKind } from '../../src/protocol/guard.ts';

export interface Misdeed {
  readonly op: string;
  readonly n?: number;
  readonly code: PublicErrorCode;
  readonly kind: FaultKind;
}

/** Faults that come at once. */
export const FAULTS: readonly Misdeed[] = [
  { op: 'panic', code: 'handler_panicked', kind: 'panic' },
  { op: 'panic_value', code: 'handler_panicked', kind: 'panic' },
  { op: 'panic_later', n: 5, code: 'handler_panicked', kind: 'panic' },
  { op: 'setenv', code: 'handler_panicked', kind: 'panic' },
  { op: 'null', code: 'handler_crashed', kind: 'memory' },
  { op: 'null_later', n: 5, code: 'handler_crashed', kind: 'memory' },
  { op: 'jump', code: 'handler_crashed', kind: 'memory' },
  { op: 'memcpy', code: 'handler_crashed', kind: 'memory' },
  { op: 'stack', code: 'handler_crashed', kind: 'stack_overflow' },
  { op: 'divide', code: 'handler_crashed', kind: 'arithmetic' },
  { op: 'illegal', code: 'handler_crashed', kind: 'illegal_instruction' },
  { op: 'abort', code: 'handler_crashed', kind: 'abort' },
  { op: 'double_panic', code: 'handler_crashed', kind: 'abort' },
  { op: 'exit', n: 3, code: 'handler_crashed', kind: 'exit' },
  { op: 'exit_now', n: 3, code: 'handler_crashed', kind: 'exit' },
  // Keeps every second one open: more than an image may have.
  { op: 'files', n: 4_000, code: 'handler_crashed', kind: 'system_call' },
  { op: 'gigabyte', code: 'handler_memory_exceeded', kind: 'out_of_memory' },
  { op: 'push', code: 'handler_memory_exceeded', kind: 'out_of_memory' },
];

/** What burns or blocks until the deadline, and has to be interrupted. */
export const ENDLESS: readonly Misdeed[] = [
  'loop',
  'allocate',
  'catch',
  'backtrace',
  'folder',
  'print_loop',
  'pause',
  'read',
  'lock',
].map(op => ({ op, code: 'handler_timeout', kind: 'interrupted' }));

/** What is refused with an error the handler sees; the kit answers 403 with its words. */
export const DENIED = ['thread', 'process', 'chdir', 'kill', 'signal', 'close', 'map'] as const;

export const misdeedPath = (endpoint: string, { op, n = 0 }: Pick<Misdeed, 'op' | 'n'>): string =>
  `/${endpoint}?op=${op}&n=${n}`;
