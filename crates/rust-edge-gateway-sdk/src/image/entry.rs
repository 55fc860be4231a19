//! The entry points of an image. No panic leaves them.

use core::cell::OnceCell;
use core::slice;
use std::panic::{catch_unwind, resume_unwind, set_hook, AssertUnwindSafe};

use rust_edge_gateway_abi::{FaultKind, ABI_VERSION};

use super::heap::Heap;
use super::one_thread::OneThread;
use super::runtime::{Runtime, Start};
use super::{host, output, overrides, tls};

/// Answer of `handler_init` to a host whose table it does not know.
const HOST_UNKNOWN: i64 = -1;

static RUNTIME: OneThread<OnceCell<Runtime>> = OneThread(OnceCell::new());

/// First call: takes the host's table and makes the image ready.
///
/// # Safety
/// As of every entry point: `input` holds `len` bytes, `output` has room for `capacity`. Here these are the host's
/// table, which stays valid until the image is gone.
pub unsafe fn init(input: *const u8, len: usize, _output: *mut u8, _capacity: usize) -> i64 {
    // SAFETY: the caller's promise.
    if !unsafe { host::connect(input, len) } {
        return HOST_UNKNOWN;
    }
    guarded(|| {
        // std's own hook prints, and with RUST_BACKTRACE keeps megabytes of debug information for ever.
        set_hook(Box::new(|panic| {
            if let Some(runtime) = RUNTIME.0.get() {
                runtime.note_panic(panic);
            }
        }));
        // The first unwind looks symbols up and reads tables: better now than in a call that may be interrupted. And a
        // library that cannot unwind is found out before it serves.
        let _ = catch_unwind(|| resume_unwind(Box::new(())));
        RUNTIME.0.get_or_init(Runtime::new);
    });
    ABI_VERSION.into()
}

/// Starts one request.
///
/// # Safety
/// As of [`init`]; `input` is a request frame.
pub unsafe fn entry(input: *const u8, len: usize, output: *mut u8, capacity: usize, start: Start) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { call(output, capacity, |runtime| runtime.start(bytes(input, len), start)) }
}

/// Gives the result of a host operation to the request that waits for it.
///
/// # Safety
/// As of [`init`]; `input` is a resume frame.
pub unsafe fn resume(input: *const u8, len: usize, output: *mut u8, capacity: usize) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { call(output, capacity, |runtime| runtime.resume(bytes(input, len))) }
}

/// Drops a request.
///
/// # Safety
/// As of [`init`]; `input` is a cancel frame.
pub unsafe fn cancel(input: *const u8, len: usize, output: *mut u8, capacity: usize) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { call(output, capacity, |runtime| runtime.cancel(bytes(input, len))) }
}

/// Gives the output that did not fit before.
///
/// # Safety
/// As of [`init`].
pub unsafe fn fetch(_input: *const u8, _len: usize, output: *mut u8, capacity: usize) -> i64 {
    // SAFETY: the caller's promise.
    unsafe { call(output, capacity, |_| ()) }
}

/// Gives memory back that has not been needed since the last such call. No code of the handler runs.
pub fn trim(heap: &Heap) -> i64 {
    guarded(|| heap.trim());
    0
}

/// Last call: drops the requests that are left, and what thread-locals hold.
///
/// # Safety
/// As of [`init`].
pub unsafe fn end(_input: *const u8, _len: usize, _output: *mut u8, _capacity: usize) -> i64 {
    guarded(|| {
        if let Some(runtime) = RUNTIME.0.get() {
            runtime.end();
        }
        tls::run_destructors();
        output::flush();
    });
    0
}

/// # Safety
/// `output` has room for `capacity` bytes.
unsafe fn call(output: *mut u8, capacity: usize, work: impl FnOnce(&Runtime)) -> i64 {
    guarded(|| {
        let Some(runtime) = RUNTIME.0.get() else { return 0 };
        work(runtime);
        output::flush();
        let room = match output.is_null() {
            true => &mut [][..],
            // SAFETY: the caller's promise, and not null.
            false => unsafe { slice::from_raw_parts_mut(output, capacity) },
        };
        runtime.deliver(room)
    })
}

/// Handlers' panics are caught where handlers run. One that gets here is a mistake of the SDK, after which the image
/// cannot be trusted.
fn guarded<R>(work: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| overrides::host().fault(FaultKind::Abort, 0))
}

/// # Safety
/// `input` holds `len` bytes that stay as they are during `'a`.
unsafe fn bytes<'a>(input: *const u8, len: usize) -> &'a [u8] {
    match input.is_null() {
        true => &[],
        // SAFETY: the caller's promise, and not null.
        false => unsafe { slice::from_raw_parts(input, len) },
    }
}
