//! The three ways to leave a call that does not return by itself. Each notes why in the slot and goes on at the host's
//! side of the switch; nothing of the image runs after that.

use core::sync::atomic::Ordering::Relaxed;

use rust_edge_gateway_abi::FaultKind;

use crate::context::Context;
use crate::report::Fault;
use crate::signals::interrupt_signal;
use crate::slot::{slot_of_this_thread, Slot};
use crate::switch::{guard_leave, leave_entry};

/// From a signal handler: rewrites the interrupted context, so that the handler "returns" to the host.
pub fn from_signal(slot: &Slot, context: &Context, fault: Fault) {
    slot.fault.set(Some(fault));
    let host_sp = slot.host_sp.load(Relaxed);
    context.set_mask(slot.signal_mask.get());
    context.go_on_at(leave_entry(), host_sp, host_sp);
}

/// Through a replaced return address: the foreign function has finished, so it holds no lock, and its caller in the image
/// is never gone back to. Called by the assembly; gives the saved stack pointer of the host.
pub unsafe extern "C" fn after_patched_return() -> usize {
    let Some(slot) = slot_of_this_thread() else {
        // SAFETY: ends the process: only a thread with a slot can have had a return address replaced.
        unsafe { libc::abort() }
    };
    slot.stop_interrupts();
    let fault = slot.fault_at(FaultKind::Interrupted, interrupt_signal(), slot.patched_was.get());
    slot.fault.set(Some(fault.after(slot.waits.get(), true)));
    slot.host_sp.load(Relaxed)
}

/// At the image's wish: exit, abort, out of memory.
///
/// # Safety
/// A call of this slot runs, on this thread, in a frame that is called by the image.
pub unsafe fn at_once(slot: &Slot, fault: Fault) -> ! {
    slot.stop_interrupts();
    slot.fault.set(Some(fault));
    // SAFETY: the stack pointer was saved by the switch of the running call, whose frame is still there.
    unsafe { guard_leave(slot.host_sp.load(Relaxed)) }
}
