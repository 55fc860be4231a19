//! What a worker thread gets from the guard, and gives back when it ends.

use core::cell::OnceCell;
use core::ffi::c_void;
use core::ptr;

use libc::stack_t;

use crate::log::LOG_BYTES;
use crate::mapping::{Mapping, PAGE_BYTES, RED_ZONE_BYTES};
use crate::slot::{self, Slot};
use crate::{image, signals};

/// The unwinder runs on the signal stack.
const SIGNAL_STACK_BYTES: usize = 64 << 10;
/// Part of the call stack that stays in memory after a fault.
const WARM_STACK_BYTES: usize = 64 << 10;
const STACK_BYTES_MIN: usize = 2 * WARM_STACK_BYTES;

thread_local! {
    static OPENED: OnceCell<OpenThread> = const { OnceCell::new() };
}

/// Why a thread cannot be opened.
#[derive(Debug, Clone, Copy)]
#[repr(i32)]
pub enum OpenError {
    OutOfMemory = -1,
    TooManyThreads = -3,
}

struct OpenThread {
    slot: &'static Slot,
    stack: Mapping,
    signal_stack: Mapping,
    _log: Mapping,
}

/// Opens the calling thread, or finds it open: the first call decides on the size of the stack.
pub fn open(stack_bytes: usize) -> Result<&'static Slot, OpenError> {
    if let Some(slot) = current_slot() {
        return Ok(slot);
    }
    let opened = OpenThread::new(stack_bytes.max(STACK_BYTES_MIN))?;
    let slot = opened.slot;
    // A thread that is ending has no thread-locals any more: the value is dropped, and the slot with it.
    let kept = OPENED.try_with(|cell| cell.set(opened).is_ok()).unwrap_or(false);
    if kept {
        Ok(slot)
    } else {
        Err(OpenError::TooManyThreads)
    }
}

/// The calling thread's slot. Not for signal handlers.
pub fn current_slot() -> Option<&'static Slot> {
    OPENED
        .try_with(|cell| cell.get().map(|opened| opened.slot))
        .ok()
        .flatten()
}

/// After a fault: undoes what the image may have done to the thread, and gives back the memory of a deep recursion.
pub fn restore_after_fault() {
    let _ = OPENED.try_with(|cell| {
        if let Some(opened) = cell.get() {
            signals::restore_mask(opened.slot.signal_mask.get());
            opened.install_signal_stack();
            opened.trim_stack();
        }
    });
}

impl OpenThread {
    fn new(stack_bytes: usize) -> Result<OpenThread, OpenError> {
        let map = |before, len, after| Mapping::new(before, len, after).ok_or(OpenError::OutOfMemory);
        let stack = map(RED_ZONE_BYTES, stack_bytes, PAGE_BYTES)?;
        let signal_stack = map(PAGE_BYTES, SIGNAL_STACK_BYTES, 0)?;
        let log = map(0, LOG_BYTES, 0)?;
        let _only_one_takes_it = slot::own();
        let slot = slot::free_slot().ok_or(OpenError::TooManyThreads)?;
        slot.stack.set((stack.whole().start..stack.usable().end).into());
        slot.stack_floor.set(stack.usable().start);
        slot.signal_stack.set(signal_stack.whole().into());
        // SAFETY: the mapping has LOG_BYTES and lives as long as the slot is this thread's.
        unsafe { slot.log.reset(log.as_ptr()) };
        slot.signal_mask.set(signals::unblock_on_this_thread());
        let opened = OpenThread {
            slot,
            stack,
            signal_stack,
            _log: log,
        };
        opened.install_signal_stack();
        slot.assign(slot::this_thread());
        Ok(opened)
    }

    fn install_signal_stack(&self) {
        let stack = stack_t {
            ss_sp: self.signal_stack.as_ptr().cast(),
            ss_flags: 0,
            ss_size: self.signal_stack.len(),
        };
        // SAFETY: the memory is this thread's own and stays mapped until `drop` takes it out of use.
        unsafe { libc::sigaltstack(&stack, ptr::null_mut()) };
    }

    fn trim_stack(&self) {
        let cold_bytes = self.stack.len() - WARM_STACK_BYTES;
        // SAFETY: no call runs, so nothing of the stack is in use; the range lies within it.
        unsafe { libc::madvise(self.stack.as_ptr().cast::<c_void>(), cold_bytes, libc::MADV_DONTNEED) };
    }
}

impl Drop for OpenThread {
    /// Runs when the thread ends, also when its worker is terminated with an image bound.
    fn drop(&mut self) {
        image::unbind_all(self.slot);
        self.slot.release();
        let none = stack_t {
            ss_sp: ptr::null_mut(),
            ss_flags: libc::SS_DISABLE,
            ss_size: 0,
        };
        // SAFETY: takes the signal stack out of use before its mapping goes.
        unsafe { libc::sigaltstack(&none, ptr::null_mut()) };
    }
}
