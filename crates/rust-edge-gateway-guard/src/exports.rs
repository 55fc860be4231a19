//! The C interface; `src/protocol/guard.ts` has its prototypes.
//!
//! Functions that name a slot or an image work on the thread it belongs to; those said to be for any thread are for any.

use core::ffi::{c_char, CStr};
use std::sync::OnceLock;

use crate::image::{self, Buffers};
use crate::image_table::{self as images, HeapBytes};
use crate::report::Report;
use crate::slot::{slot_at, Slot};
use crate::switch::CALL_FAULTED;
use crate::thread::{self, current_slot};
use crate::{lifeline, signals, unwind, watchdog};

const OK: i32 = 0;
const FAILED: i32 = -1;
const SIGNALS_UNAVAILABLE: i32 = -2;
const NO_CALL_RUNS: i32 = 1;

/// Sets up signal handlers and the watchdog: once per process, on its main thread, before the first worker starts.
/// 0, or -1 when the system refuses, or glibc is older than 2.35.
#[no_mangle]
pub extern "C" fn guard_install() -> i32 {
    static INSTALLED: OnceLock<bool> = OnceLock::new();
    let install = || {
        unwind::prepare()
            .and_then(|()| signals::install())
            .and_then(|()| watchdog::start())
    };
    let installed = INSTALLED.get_or_init(|| install().is_some());
    if *installed {
        OK
    } else {
        FAILED
    }
}

/// Makes `fd` close when the process begins to die, before it gives its memory back; the process itself cannot use it any
/// more. Once per process. 0, or -1 when the system refuses: then it closes with all the others.
#[no_mangle]
pub extern "C" fn guard_hold_lifeline(fd: i32) -> i32 {
    lifeline::hold(fd).map_or(FAILED, |()| OK)
}

/// Gives the calling thread a slot with a call stack of `stack_bytes` and a signal stack, until the thread ends; a thread
/// that has one gets the same again. The slot's number, or -1 no memory, -2 no signal handlers, -3 too many threads.
#[no_mangle]
pub extern "C" fn guard_open(stack_bytes: usize) -> i32 {
    if guard_install() != OK {
        return SIGNALS_UNAVAILABLE;
    }
    match thread::open(stack_bytes) {
        Ok(slot) => slot.number() as i32,
        Err(error) => error as i32,
    }
}

/// Binds the private copy of a handler library at `path` (which may be unlinked afterwards) with a heap of `arena_bytes`,
/// and runs its `handler_init` for at most `limit_ms` (0: no limit). The image's number, or negative with a message in
/// the report: -1 cannot be opened, -2 symbol missing, -3 no address space, -4 `handler_init` failed, -5 too many images,
/// -6 another version of the ABI.
///
/// # Safety
/// `path` ends in a NUL; `report` is null or has room for a report.
#[no_mangle]
pub unsafe extern "C" fn guard_bind(
    slot: i32,
    path: *const c_char,
    arena_bytes: usize,
    limit_ms: u32,
    report: *mut u8,
) -> i32 {
    // SAFETY: the caller's promise.
    let report = unsafe { Report::at(report) };
    report.clear();
    let Some(slot) = own_slot(slot) else {
        report.set_message("this thread has not opened that slot");
        return FAILED;
    };
    // SAFETY: the caller's promise; the slot is this thread's, which runs this function and therefore no call.
    let bound = unsafe { image::bind(slot, CStr::from_ptr(path), arena_bytes, limit_ms) };
    report.set_log_bytes(slot.log.waiting());
    bound.unwrap_or_else(|error| {
        report.set_fault(&error.fault());
        report.set_message(error.message());
        error.code()
    })
}

/// Calls entry point number `entry` of an image, for at most `limit_ms` (0: no limit). What the entry point returns: bytes
/// written to `output`, or `-n` when `n` bytes wait for `handler_fetch`. Or the smallest i64 after a fault: then only
/// `guard_unbind(image, 0)` may follow.
///
/// # Safety
/// `input` and `output` are valid for their lengths; `report` is null or has room for a report.
#[no_mangle]
pub unsafe extern "C" fn guard_call(
    image: i32,
    entry: i32,
    input: *const u8,
    input_len: usize,
    output: *mut u8,
    output_cap: usize,
    limit_ms: u32,
    report: *mut u8,
) -> i64 {
    // SAFETY: the caller's promise.
    let report = unsafe { Report::at(report) };
    // SAFETY: found only on its own thread; the reference ends with this function.
    let found = current_slot().and_then(|slot| unsafe { images::find(image, slot) });
    let Some(image) = found else {
        report.clear();
        report.set_message("this thread has no such image");
        return CALL_FAULTED;
    };
    let buffers = Buffers {
        input,
        input_len,
        output,
        output_cap,
    };
    // SAFETY: the caller's promise; this thread runs this function and therefore no call.
    let result = unsafe { image.call(usize::try_from(entry).unwrap_or(usize::MAX), &buffers, limit_ms) };
    let log_bytes = image.slot().log.waiting();
    match result {
        Ok(result) => {
            report.set_answered(log_bytes);
            result
        }
        Err(fault) => {
            report.clear();
            report.set_fault(&fault);
            report.set_frames(image.slot().trace.offsets());
            report.set_log_bytes(log_bytes);
            CALL_FAULTED
        }
    }
}

/// Takes an image away. `clean_ms` > 0: its thread-local destructors run first, for at most that long; 0: none of its code
/// runs. 0, or bits: 1 a destructor faulted, 2 the library is still mapped, 4 that fault is suspect. -1: this thread has no
/// such image.
#[no_mangle]
pub extern "C" fn guard_unbind(image: i32, clean_ms: u32) -> i32 {
    // SAFETY: the slot is this thread's, which runs this function and therefore no call.
    let bits = current_slot().and_then(|slot| unsafe { image::unbind(slot, image, clean_ms) });
    bits.unwrap_or(FAILED)
}

/// Any thread: ends call number `call` of `slot`, as a fault of kind *interrupted*. 0, or 1 when it does not run.
#[no_mangle]
pub extern "C" fn guard_interrupt(slot: i32, call: u64) -> i32 {
    let running = |slot: &&Slot| slot.running().is_some_and(|running| running.call == call);
    let Some(slot) = slot_at(slot).filter(running) else {
        return NO_CALL_RUNS;
    };
    slot.interrupt(call, signals::interrupt_signal());
    OK
}

/// Any thread: number of the call that runs in `slot`, 0 when none does.
#[no_mangle]
pub extern "C" fn guard_running(slot: i32) -> u64 {
    slot_at(slot).and_then(Slot::running).map_or(0, |running| running.call)
}

/// Takes the log lines that wait in `slot`: bytes written to `output`, whole records only. 64 KiB take everything.
///
/// # Safety
/// `output` is valid for writes of `output_cap` bytes.
#[no_mangle]
pub unsafe extern "C" fn guard_take_log(slot: i32, output: *mut u8, output_cap: usize) -> usize {
    // SAFETY: the caller's promise.
    own_slot(slot).map_or(0, |slot| unsafe { slot.log.take(output, output_cap) })
}

/// Any thread: memory of the heaps of the images bound in `slot`, as two little-endian u64 in `bytes`: what they occupy,
/// and what they may occupy at most. 0, or -1 when there is no such slot.
///
/// # Safety
/// `bytes` is valid for writes of 16 bytes.
#[no_mangle]
pub unsafe extern "C" fn guard_heap_bytes(slot: i32, bytes: *mut u8) -> i32 {
    let Some(slot) = slot_at(slot) else { return FAILED };
    let HeapBytes { resident, limit } = images::heap_bytes(slot);
    // SAFETY: the caller's promise; any alignment will do.
    unsafe {
        bytes
            .cast::<[u64; 2]>()
            .write_unaligned([resident as u64, limit as u64])
    };
    OK
}

/// Any thread: images bound in this process.
#[no_mangle]
pub extern "C" fn guard_images() -> i32 {
    images::count()
}

/// The slot with this number, if it is the calling thread's.
fn own_slot(number: i32) -> Option<&'static Slot> {
    current_slot().filter(|slot| i32::try_from(slot.number()) == Ok(number))
}
