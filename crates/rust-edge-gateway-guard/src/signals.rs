//! Signal handlers: faults of the processor, and the interrupt that ends a call from outside.
//!
//! They run on the thread's signal stack and may interrupt anything, so they use atomics, cells of the thread's own slot
//! and system calls; no lock, no allocation, no thread-local.

use core::ffi::c_void;
use core::mem::{transmute, zeroed};
use core::ptr;
use core::sync::atomic::Ordering::Relaxed;
use std::sync::OnceLock;

use libc::{
    c_int, sigaction, siginfo_t, sigset_t, SA_NODEFER, SA_ONSTACK, SA_SIGINFO, SIGABRT, SIGBUS, SIGFPE, SIGILL,
    SIGSEGV, SIGSYS, SIG_DFL, SIG_IGN,
};
use rust_edge_gateway_abi::FaultKind;

use crate::context::Context;
use crate::leave;
use crate::slot::{slot_of_this_thread, this_thread, Slot};
use crate::switch::{patched_return, probe_exit, PROBE_CUT};
use crate::unwind::Walk;

const FAULT_SIGNALS: [c_int; 6] = [SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS];

/// Interrupts, about a millisecond apart, before a call that is stuck in foreign code is left by force.
const FORCE_AFTER: u32 = 200;

/// Handlers that were there before, in the order of [`FAULT_SIGNALS`]: V8 uses SIGSEGV for WebAssembly.
static PREVIOUS: OnceLock<[sigaction; FAULT_SIGNALS.len()]> = OnceLock::new();

/// The real-time signal that interrupts a call.
pub fn interrupt_signal() -> c_int {
    libc::SIGRTMIN() + 7
}

/// Installs the handlers, once per process. `None`: the kernel refuses one.
pub fn install() -> Option<()> {
    let previous = FAULT_SIGNALS.map(|signal| {
        // SAFETY: zeroes are a valid `sigaction`, and asking for the present one changes nothing.
        unsafe {
            let mut action: sigaction = zeroed();
            libc::sigaction(signal, ptr::null(), &mut action);
            action
        }
    });
    PREVIOUS.set(previous).ok()?;
    for signal in FAULT_SIGNALS {
        // No deferring: a fault while a fault is looked into has to be seen.
        set_handler(signal, on_fault as *const () as usize, SA_NODEFER)?;
    }
    // No SA_RESTART: a system call the image waits in has to return.
    set_handler(interrupt_signal(), on_interrupt as *const () as usize, 0)
}

fn set_handler(signal: c_int, handler: usize, flags: c_int) -> Option<()> {
    // SAFETY: zeroes are a valid `sigaction`; the handler stays mapped, for the guard is linked with `-z nodelete`.
    let status = unsafe {
        let mut action: sigaction = zeroed();
        action.sa_sigaction = handler;
        action.sa_flags = SA_SIGINFO | SA_ONSTACK | flags;
        libc::sigaction(signal, &action, ptr::null_mut())
    };
    (status == 0).then_some(())
}

/// Lets the guard's signals reach the calling thread; gives the mask that results.
pub fn unblock_on_this_thread() -> u64 {
    // SAFETY: zeroes are a valid `sigset_t`; the calls touch this thread's mask only. The kernel's mask is 8 bytes.
    unsafe {
        let mut set: sigset_t = zeroed();
        for signal in FAULT_SIGNALS.into_iter().chain([interrupt_signal()]) {
            libc::sigaddset(&mut set, signal);
        }
        libc::pthread_sigmask(libc::SIG_UNBLOCK, &set, ptr::null_mut());
        libc::pthread_sigmask(libc::SIG_SETMASK, ptr::null(), &mut set);
        (&raw const set).cast::<u64>().read()
    }
}

/// No signal of the process is for the calling thread.
pub fn block_all_signals() {
    // SAFETY: zeroes are a valid `sigset_t`; the mask is this thread's own.
    unsafe {
        let mut all: libc::sigset_t = zeroed();
        libc::sigfillset(&mut all);
        libc::pthread_sigmask(libc::SIG_SETMASK, &all, ptr::null_mut());
    }
}

/// Sets the calling thread's signal mask.
pub fn restore_mask(mask: u64) {
    // SAFETY: as in `unblock_on_this_thread`.
    unsafe {
        let mut set: sigset_t = zeroed();
        (&raw mut set).cast::<u64>().write(mask);
        libc::pthread_sigmask(libc::SIG_SETMASK, &set, ptr::null_mut());
    }
}

/// The slot of this thread, if it is in a call.
fn slot_in_call() -> Option<&'static Slot> {
    slot_of_this_thread().filter(|slot| slot.in_call())
}

/// Keeps `errno` of the interrupted code as it is.
fn keeping_errno(work: impl FnOnce()) {
    // SAFETY: errno of this thread is always there.
    let errno = unsafe { libc::__errno_location() };
    // SAFETY: as above; nothing refers to it while it is read and written here.
    let before = unsafe { *errno };
    work();
    // SAFETY: as above.
    unsafe { *errno = before };
}

unsafe extern "C" fn on_fault(signal: c_int, info: *mut siginfo_t, ucontext: *mut c_void) {
    keeping_errno(|| {
        // SAFETY: the kernel's arguments, used while this handler runs.
        let (info, context) = unsafe { (&*info, Context::new(ucontext.cast())) };
        let contained =
            slot_in_call().is_some_and(|slot| cut_probe(slot, &context) || contain(slot, signal, info, &context));
        if !contained {
            // SAFETY: passes on what the kernel gave.
            unsafe { forward(signal, info, ucontext) };
        }
    });
}

/// The unwinder faulted, in a signal handler of ours: its walk ends.
fn cut_probe(slot: &Slot, context: &Context) -> bool {
    let cut = slot.probing.replace(false);
    if cut {
        context.go_on_at(probe_exit(), slot.probe_sp.load(Relaxed), 0);
        context.set_result(PROBE_CUT as usize);
    }
    cut
}

/// Leaves the call if the fault is its own.
fn contain(slot: &Slot, signal: c_int, info: &siginfo_t, context: &Context) -> bool {
    let (sp, pc) = (context.sp(), context.pc());
    if !is_own(slot, info, sp) {
        return false;
    }
    let address = match signal {
        SIGABRT | SIGSYS => 0,
        // SAFETY: these signals carry an address.
        _ => unsafe { info.si_addr() as usize },
    };
    let mut fault = slot.fault_at(kind_of(slot, signal, address), signal, pc);
    (fault.code, fault.address) = (info.si_code, address as u64);
    if !fault.is_foreign() {
        Walk::trace_from(slot, pc);
    } else if let Some(call) = jump_to_nowhere(slot, context, address) {
        // The unwinder knows nothing of an address without code: it is shown the caller.
        context.go_on_at(call, sp + size_of::<usize>(), 0);
        Walk::trace_from(slot, call);
    } else if Walk::from(slot, pc).may_hold_lock() {
        fault.set_suspect();
    }
    leave::from_signal(slot, context, fault);
    true
}

/// Whether the signal is about code of the call: it runs on the slot's stack, or has wrecked its stack pointer. A signal
/// another process sent is not.
fn is_own(slot: &Slot, info: &siginfo_t, sp: usize) -> bool {
    if info.si_code > 0 {
        return slot.stack.get().contains(sp) || !slot.signal_stack.get().contains(sp);
    }
    // SAFETY: a signal that was sent carries its sender; the second is a plain system call.
    let sent_by_this_process = unsafe { info.si_pid() == libc::getpid() };
    sent_by_this_process && slot.stack.get().contains(sp)
}

fn kind_of(slot: &Slot, signal: c_int, address: usize) -> FaultKind {
    let below_stack = address >= slot.stack.get().start && address < slot.stack_floor.get();
    match signal {
        SIGSEGV | SIGBUS if below_stack => FaultKind::StackOverflow,
        SIGSEGV | SIGBUS => FaultKind::Memory,
        SIGILL => FaultKind::IllegalInstruction,
        SIGFPE => FaultKind::Arithmetic,
        SIGABRT => FaultKind::Abort,
        _ => FaultKind::SystemCall,
    }
}

/// The image called an address where there is no code, so that no foreign code ran: an address within the call.
fn jump_to_nowhere(slot: &Slot, context: &Context, address: usize) -> Option<usize> {
    let sp = context.sp();
    let readable = sp >= slot.stack_floor.get() && sp <= slot.stack.get().end - size_of::<usize>();
    if address != context.pc() || !readable {
        return None;
    }
    // SAFETY: eight bytes from `sp` lie in the part of the slot's stack that may be accessed.
    let return_address = unsafe { (sp as *const usize).read_unaligned() };
    slot.text.get().contains(return_address).then(|| return_address - 1)
}

/// Not ours: the handler that was there before, else what the kernel would do.
unsafe fn forward(signal: c_int, info: *const siginfo_t, ucontext: *mut c_void) {
    let index = FAULT_SIGNALS.iter().position(|&known| known == signal);
    let previous = PREVIOUS.get().zip(index).and_then(|(all, index)| all.get(index));
    let handler = previous.map_or(SIG_DFL, |action| action.sa_sigaction);
    match handler {
        SIG_IGN => {}
        SIG_DFL => default_action(signal, info),
        // SAFETY: what was installed as a handler with three arguments is one.
        _ if previous.is_some_and(|action| action.sa_flags & SA_SIGINFO != 0) => unsafe {
            transmute::<usize, unsafe extern "C" fn(c_int, *const siginfo_t, *mut c_void)>(handler)(
                signal, info, ucontext,
            );
        },
        // SAFETY: what was installed as a handler with one argument is one.
        _ => unsafe { transmute::<usize, unsafe extern "C" fn(c_int)>(handler)(signal) },
    }
}

fn default_action(signal: c_int, info: *const siginfo_t) {
    // SAFETY: the kernel's argument; the calls end the process, now or when the instruction faults again.
    unsafe {
        libc::signal(signal, SIG_DFL);
        if (*info).si_code <= 0 || signal == SIGSYS {
            libc::syscall(libc::SYS_tgkill, libc::getpid(), this_thread(), signal);
        }
    }
}

unsafe extern "C" fn on_interrupt(_signal: c_int, _info: *mut siginfo_t, ucontext: *mut c_void) {
    keeping_errno(|| {
        // SAFETY: the kernel's argument, used while this handler runs.
        let context = unsafe { Context::new(ucontext.cast()) };
        let Some(slot) = slot_of_this_thread() else { return };
        slot.interrupt_arrived();
        if slot.must_leave() {
            // Not on its way into the call or out of it.
            if slot.stack.get().contains(context.sp()) {
                interrupt(slot, &context);
            }
        }
    });
}

/// Leaves the call here if that is safe, or prepares to leave it when foreign code returns, or waits for the next interrupt.
fn interrupt(slot: &Slot, context: &Context) {
    let pc = context.pc();
    take_patch_back(slot);
    // SAFETY: set for every call to the host table of its image, which outlives the call.
    let held = unsafe { (*slot.hold.get()).load(Relaxed) } != 0;
    let force = slot.waits.get() >= FORCE_AFTER;
    let walk = if held {
        Walk::held(slot, pc)
    } else {
        Walk::from(slot, pc)
    };
    if walk.may_leave_here() || force {
        if held {
            Walk::trace_from(slot, pc);
        }
        let mut fault = slot.fault_at(FaultKind::Interrupted, interrupt_signal(), pc);
        if !walk.may_leave_here() {
            fault.set_suspect();
        }
        leave::from_signal(slot, context, fault);
        return;
    }
    slot.waits.set(slot.waits.get() + 1);
    if let Some(at) = walk
        .leaving_return()
        .filter(|&at| at >= context.sp() && slot.stack.get().contains(at))
    {
        patch(slot, at);
    }
}

/// Replaces the return address at `at`: the call is left when the function it belongs to returns.
fn patch(slot: &Slot, at: usize) {
    let place = at as *mut usize;
    // SAFETY: the unwinder found a return address here, in the used part of the slot's stack.
    unsafe {
        slot.patched_was.set(place.read());
        place.write(patched_return());
    }
    slot.patched_at.set(at);
}

/// Undoes an earlier patch, for the walk to see the real return address, and because the patched frame may be gone without
/// having returned (a panic that unwinds out of it); then that patch would never be reached.
fn take_patch_back(slot: &Slot) {
    let place = slot.patched_at.replace(0) as *mut usize;
    if place.is_null() {
        return;
    }
    // SAFETY: the address was in the slot's stack when it was patched, and the stack is always there.
    unsafe {
        if place.read() == patched_return() {
            place.write(slot.patched_was.get());
        }
    }
}
