/** Cuts a backtrace down to what its reader can do something about. */
import { LIMITS } from '../../config.ts';
import type { FaultKind } from '../../protocol/guard.ts';
import type { Frame } from './symbol-table.ts';

/** Faults that code of std or the SDK reports: these frames come first, and say no more than the fault's kind does. */
const REPORTED: ReadonlySet<FaultKind> = new Set(['panic', 'abort', 'exit', 'out_of_memory', 'system_call']);

/** Files of the SDK that run a handler, and stand in for libc. */
const IMAGE_FILES = 'rust-edge-gateway-sdk/src/image/';

/** How std panics, aborts, and gives up for want of memory; not how it catches panics, which is below the handler. */
const REPORTING =
  /^<?((std|core)::panicking::(?!catch_unwind|try)|core::(option|result)::(unwrap|expect)_failed|std::process::|std::sys::.*(abort|exit)|std::alloc::|alloc::alloc::handle_alloc_error|__rustc::|rust_begin_unwind|rust_panic|__rust_alloc_error)/;

/** What `#[handler]` writes around the handler: the future that calls it, and the entry points of the library. */
const AROUND_HANDLER = /(^|::)__start(::\{\{closure\}\})*$|^handler_(init|entry|resume|cancel|fetch|end)$/;

const isImageFile = ({ file }: Frame): boolean => file?.startsWith(IMAGE_FILES) ?? false;
const isAroundHandler = (frame: Frame): boolean => AROUND_HANDLER.test(frame.function ?? '');
const isReporting = (frame: Frame): boolean => isImageFile(frame) || REPORTING.test(frame.function ?? '');

/** Of the source the endpoint's author wrote. */
export const isOwn = (frame: Frame): boolean => (frame.file?.startsWith('src/') ?? false) && !isAroundHandler(frame);

/**
 * Leaves out what reports a fault, at the beginning, and what runs handlers, at the end. Frames of libraries between them
 * stay: the handler called them. What would leave nothing leaves everything.
 */
export function trimFrames(kind: FaultKind, frames: readonly Frame[]): readonly Frame[] {
  const from = REPORTED.has(kind) ? reportingFrames(frames) : 0;
  const handler = frames.slice(from);
  const end = handler.findIndex(frame => isAroundHandler(frame) || isImageFile(frame));
  const useful = end === -1 ? handler : handler.slice(0, end);
  return (useful.length > 0 ? useful : frames).slice(0, LIMITS.backtraceFramesMax);
}

/** How many frames, from the innermost on, report the fault; none of them is behind the first one of the handler. */
function reportingFrames(frames: readonly Frame[]): number {
  const handler = frames.findIndex(frame => isOwn(frame) || isAroundHandler(frame));
  return frames.slice(0, handler === -1 ? 0 : handler).findLastIndex(isReporting) + 1;
}
