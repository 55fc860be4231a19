/**
 * The guard's C interface (crate `rust-edge-gateway-guard`) as the gateway sees it: prototypes for koffi, the entry
 * points of an image, and the report that every call may fill in.
 */

/** Version of the C ABI between gateway and image; the exported `handler_abi` of a library must equal it. */
export const ABI_VERSION = 1;

/** Entry points of an image, in the order the guard numbers them. A library may lack `trim`: calling it then does nothing. */
export const ENTRY = { init: 0, entry: 1, resume: 2, cancel: 3, fetch: 4, end: 5, trim: 6 } as const;

/** What `guard_call` returns when the call ended in a fault; the report says which. Smallest i64. */
export const CALL_FAULTED = -(2n ** 63n);

/** Prototypes for `koffi.load(path).func(…)`. */
export const GUARD_PROTOTYPES = {
  /** Once per process, on its main thread, before the first worker starts. 0, or -1 when signals cannot be set up. */
  install: 'int guard_install()',
  /** Once per process: makes `fd` close as soon as the process begins to die. 0, or -1 when the system refuses. */
  holdLifeline: 'int guard_hold_lifeline(int fd)',
  /** Once per worker thread: makes its call stack and signal stack. Slot number, or negative. */
  open: 'int guard_open(size_t stack_bytes)',
  /** Binds the private copy at `path`; image number, or negative (see BIND_ERRORS) with a message in the report. */
  bind: 'int guard_bind(int slot, const char* path, size_t arena_bytes, uint32_t limit_ms, uint8_t* report)',
  /** Calls one entry point. Bytes written to `out`; or -n: n bytes are waiting for `fetch`; or CALL_FAULTED. */
  call: 'int64_t guard_call(int image, int entry, const uint8_t* in, size_t len, uint8_t* out, size_t cap, uint32_t limit_ms, uint8_t* report)',
  /** Takes an image away; `clean_ms` 0 = run none of its code. 0 or bits of UNBIND; -1 when this thread has no such image. */
  unbind: 'int guard_unbind(int image, uint32_t clean_ms)',
  /** Any thread: ends this call of `slot`, as a fault of kind `interrupted`. 0, or 1 when it does not run. */
  interrupt: 'int guard_interrupt(int slot, uint64_t call)',
  /** Any thread: number of the running call of `slot`, 0 when idle. */
  running: 'uint64_t guard_running(int slot)',
  /** Takes the log lines the images of `slot` wrote during the last call; bytes written to `out`. */
  takeLog: 'size_t guard_take_log(int slot, uint8_t* out, size_t cap)',
  /** Any thread: memory of the heaps of the images of `slot`, see readHeapBytes. 0, or -1 when there is no such slot. */
  heapBytes: 'int guard_heap_bytes(int slot, uint8_t* bytes)',
  /** Images bound in this process. */
  images: 'int guard_images()',
} as const;

/** What `guard_heap_bytes` writes: two u64, bytes the heaps occupy and bytes they may occupy at most. */
export const HEAP_BYTES_BYTES = 16;

export interface HeapBytes {
  /** Bytes of memory the heaps of images occupy. */
  readonly memoryBytes: number;
  /** Most bytes they may occupy. */
  readonly memoryLimitBytes: number;
}

export function readHeapBytes(bytes: Buffer): HeapBytes {
  return { memoryBytes: Number(bytes.readBigUInt64LE(0)), memoryLimitBytes: Number(bytes.readBigUInt64LE(8)) };
}

/** Of several images together. */
export function sumHeapBytes(all: Iterable<HeapBytes>): HeapBytes {
  let [memoryBytes, memoryLimitBytes] = [0, 0];
  for (const heaps of all) {
    memoryBytes += heaps.memoryBytes;
    memoryLimitBytes += heaps.memoryLimitBytes;
  }
  return { memoryBytes, memoryLimitBytes };
}

export const BIND_ERRORS: Readonly<Record<number, string>> = {
  [-1]: 'open_failed',
  [-2]: 'symbol_missing',
  [-3]: 'out_of_address_space',
  [-4]: 'init_failed',
  [-5]: 'too_many_images',
  [-6]: 'abi_mismatch',
};

/** Bits of what `guard_unbind` gives; `suspect`: the destructor that faulted may have left a lock held. */
export const UNBIND = { destructorFaulted: 1, stillMapped: 2, suspect: 4 } as const;

export const FAULT_KINDS = [
  'none',
  'memory',
  'stack_overflow',
  'illegal_instruction',
  'arithmetic',
  'abort',
  'interrupted',
  'system_call',
  'exit',
  'out_of_memory',
] as const;
/** Beside the guard's: a panic, and output that is not what the ABI allows. */
export type FaultKind = (typeof FAULT_KINDS)[number] | 'panic' | 'invalid_output';

/**
 * Whether a fault of this kind is a crash, which is what crash loops are made of. A panic is an answer of the handler's
 * own kind, and a call is interrupted because of the time it takes: neither says that the next one will crash.
 */
const IS_CRASH: Readonly<Record<FaultKind, boolean>> = {
  none: false,
  memory: true,
  stack_overflow: true,
  illegal_instruction: true,
  arithmetic: true,
  abort: true,
  interrupted: false,
  system_call: true,
  exit: true,
  out_of_memory: true,
  panic: false,
  invalid_output: true,
};
export const isCrash = (kind: FaultKind): boolean => IS_CRASH[kind];

export interface Fault {
  readonly kind: FaultKind;
  readonly signal: number;
  /** `si_code` of the signal, or the status given to `exit`. */
  readonly code: number;
  /** Address that was accessed, in hexadecimal. */
  readonly address: string;
  /** Offset of the faulting instruction in the library, in hexadecimal; "0" when it was not the library's code. */
  readonly offset: string;
  /** The code that ran was not the image's own (libc, the unwinder). */
  readonly foreign: boolean;
  /** Foreign code was left that may hold a lock: the process has to be replaced. */
  readonly suspect: boolean;
  /**
   * Where in the library the call was, innermost frame first: offsets of the instruction that was interrupted and of the
   * calls that led to it.
   */
  readonly trace: readonly number[];
}

/** A fault that no instruction is to blame for. */
export const faultOf = (kind: FaultKind): Fault => ({
  kind,
  signal: 0,
  code: 0,
  address: '0',
  offset: '0',
  foreign: false,
  suspect: false,
  trace: [],
});

/** Most frames of a fault's trace. */
export const TRACE_FRAMES_MAX = 64;

/**
 * The report, little-endian, REPORT_BYTES long; all offsets in bytes:
 * 0 i32 kind · 4 i32 signal · 8 i32 code · 12 u32 flags (1 foreign, 2 suspect) · 16 u64 address · 24 u64 pc ·
 * 32 u64 pc offset in the image · 40 u64 call number · 48 u32 interrupts that waited · 52 u32 left through a patched return ·
 * 56 u32 log bytes waiting for guard_take_log · 60 u32 message bytes · 64 u32 frames · 72 u64[64] their offsets in the
 * image, innermost first · 584 message (UTF-8).
 */
export const REPORT_BYTES = 1536;
const REPORT = {
  kind: 0,
  signal: 4,
  code: 8,
  flags: 12,
  address: 16,
  offset: 32,
  log: 56,
  messageLength: 60,
  frames: 64,
  trace: 72,
  message: 584,
};

export const reportLogBytes = (report: Buffer): number => report.readUInt32LE(REPORT.log);

export function reportMessage(report: Buffer): string {
  return report.toString('utf8', REPORT.message, REPORT.message + report.readUInt32LE(REPORT.messageLength));
}

export function reportFault(report: Buffer): Fault {
  const flags = report.readUInt32LE(REPORT.flags);
  return {
    kind: FAULT_KINDS[report.readInt32LE(REPORT.kind)] ?? 'none',
    signal: report.readInt32LE(REPORT.signal),
    code: report.readInt32LE(REPORT.code),
    address: report.readBigUInt64LE(REPORT.address).toString(16),
    offset: report.readBigUInt64LE(REPORT.offset).toString(16),
    foreign: (flags & 1) !== 0,
    suspect: (flags & 2) !== 0,
    trace: readTrace(report, REPORT.trace, report.readUInt32LE(REPORT.frames)),
  };
}

/** Reads `frames` offsets, each a u64, from `start` on. */
export function readTrace(bytes: Buffer, start: number, frames: number): number[] {
  const length = Math.min(frames, TRACE_FRAMES_MAX);
  return Array.from({ length }, (_, index) => Number(bytes.readBigUInt64LE(start + index * 8)));
}

export const LOG_LEVELS = ['error', 'warn', 'info', 'debug'] as const;
export type HandlerLogLevel = (typeof LOG_LEVELS)[number];

export interface HandlerLogLine {
  readonly level: HandlerLogLevel;
  readonly message: string;
}

/** Decodes what `guard_take_log` wrote: records of u8 level, u8[3], u32 length, bytes (UTF-8, replaced where it is not). */
export function decodeLog(bytes: Buffer): HandlerLogLine[] {
  const lines: HandlerLogLine[] = [];
  for (let at = 0; at + 8 <= bytes.length;) {
    const end = at + 8 + bytes.readUInt32LE(at + 4);
    lines.push({ level: LOG_LEVELS[bytes.readUInt8(at)] ?? 'info', message: bytes.toString('utf8', at + 8, end) });
    at = end;
  }
  return lines;
}
