//! What the guard knows of one worker thread.

use core::cell::Cell;
use core::ptr;
use core::sync::atomic::Ordering::{Acquire, Relaxed, Release, SeqCst};
use core::sync::atomic::{AtomicBool, AtomicI32, AtomicU32, AtomicU64, AtomicUsize};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rust_edge_gateway_abi::FaultKind;

use crate::log::Log;
use crate::mapping::Span;
use crate::report::Fault;
use crate::trace::Trace;

/// Most threads that can have a slot at once.
pub const SLOTS_MAX: usize = 256;

static SLOTS: [Slot; SLOTS_MAX] = [const { Slot::new() }; SLOTS_MAX];
/// Slots that were ever in use are the first so many.
static SLOTS_USED: AtomicUsize = AtomicUsize::new(0);
/// Held while a slot gets or loses its thread, and while a signal is sent to one: the thread cannot end in between.
static OWNERSHIP: Mutex<()> = Mutex::new(());

/// A call that runs.
pub struct Running {
    pub call: u64,
    pub limit: Option<Duration>,
}

/// One worker thread. The atomics may be read by any thread; the cells belong to the slot's thread and its signal handlers.
pub struct Slot {
    /// Stack pointer of the host while a call runs.
    pub host_sp: AtomicUsize,
    /// 0: free.
    thread: AtomicI32,
    in_call: AtomicBool,
    /// Number of the running call, or of the last one.
    call: AtomicU64,
    /// Number of the call that has to be interrupted.
    wanted: AtomicU64,
    /// An interrupt was sent to the thread, which has not looked at it yet. Interrupts queue: on a busy machine a thread that
    /// gets no processor would find so many at once that it takes itself for stuck.
    signalled: AtomicBool,
    /// Most milliseconds the call may take; 0: no limit.
    limit_ms: AtomicU32,

    /// The call stack, the red zone below it included.
    pub stack: Cell<Span>,
    /// Lowest address of the call stack that may be accessed.
    pub stack_floor: Cell<usize>,
    pub signal_stack: Cell<Span>,
    /// Signal mask of the thread outside of calls.
    pub signal_mask: Cell<u64>,

    /// Executable part of the image that is being called, and where its library begins.
    pub text: Cell<Span>,
    pub library_base: Cell<usize>,
    /// `hold` of that image.
    pub hold: Cell<*const AtomicU32>,
    /// Why the call was left.
    pub fault: Cell<Option<Fault>>,
    /// Where the call was when somebody last looked.
    pub trace: Trace,
    /// Interrupts of the running call that had to wait.
    pub waits: Cell<u32>,
    /// Where on the stack a return address was replaced (0: nowhere), and what was there.
    pub patched_at: Cell<usize>,
    pub patched_was: Cell<usize>,
    /// The unwinder runs in a signal handler, and may fault itself.
    pub probing: Cell<bool>,
    pub probe_sp: AtomicUsize,

    pub log: Log,
}

// SAFETY: the fields that are not atomic are touched only by the slot's own thread, which `thread` names, and by the
// thread that is giving the slot to itself under OWNERSHIP.
unsafe impl Sync for Slot {}

impl Slot {
    pub(crate) const fn new() -> Slot {
        Slot {
            host_sp: AtomicUsize::new(0),
            thread: AtomicI32::new(0),
            in_call: AtomicBool::new(false),
            call: AtomicU64::new(0),
            wanted: AtomicU64::new(0),
            signalled: AtomicBool::new(false),
            limit_ms: AtomicU32::new(0),
            stack: Cell::new(Span::EMPTY),
            stack_floor: Cell::new(0),
            signal_stack: Cell::new(Span::EMPTY),
            signal_mask: Cell::new(0),
            text: Cell::new(Span::EMPTY),
            library_base: Cell::new(0),
            hold: Cell::new(ptr::null()),
            fault: Cell::new(None),
            trace: Trace::new(),
            waits: Cell::new(0),
            patched_at: Cell::new(0),
            patched_was: Cell::new(0),
            probing: Cell::new(false),
            probe_sp: AtomicUsize::new(0),
            log: Log::new(),
        }
    }

    /// Number of this slot.
    pub fn number(&self) -> usize {
        (ptr::from_ref(self) as usize - SLOTS.as_ptr() as usize) / size_of::<Slot>()
    }

    /// Whether a call runs. Its thread's signal handlers read it, and so do other threads.
    pub fn in_call(&self) -> bool {
        self.in_call.load(Acquire)
    }

    /// The running call, seen from any thread.
    pub fn running(&self) -> Option<Running> {
        // Number first and last: in between, "in a call" and the limit can only be of this call, for `begin_call` writes
        // the number before them.
        let call = self.call.load(Acquire);
        let in_call = self.in_call();
        let limit_ms = self.limit_ms.load(Acquire);
        if !in_call || self.call.load(Acquire) != call {
            return None;
        }
        let limit = (limit_ms != 0).then(|| Duration::from_millis(limit_ms.into()));
        Some(Running { call, limit })
    }

    /// Begins a call; from here on signal handlers may leave it, once its stack is in use.
    pub fn begin_call(&self, limit_ms: u32) {
        self.waits.set(0);
        // Seen with the number below, which whoever interrupts this call has read.
        self.signalled.store(false, Relaxed);
        self.call.store(self.call.load(Relaxed) + 1, Release);
        self.limit_ms.store(limit_ms, Release);
        self.in_call.store(true, Release);
    }

    /// Ends a call; from here on interrupts find nothing to interrupt.
    pub fn end_call(&self) {
        self.in_call.store(false, Release);
        self.patched_at.set(0);
    }

    /// No interrupt from here on, though the slot's stack is still in use.
    pub fn stop_interrupts(&self) {
        self.in_call.store(false, Release);
    }

    /// Somebody has asked for `call` to end.
    pub fn is_wanted(&self, call: u64) -> bool {
        self.wanted.load(Relaxed) == call
    }

    /// Marks `call` as one to interrupt, and interrupts its thread if it still runs and no interrupt is on its way already.
    /// Any thread; what a signal cannot end at once is signalled again by the watchdog.
    pub fn interrupt(&self, call: u64, signal: i32) {
        // Numbers only grow: whoever was held up on the way here does not take the wish for a later call away.
        self.wanted.fetch_max(call, SeqCst);
        let _thread_stays = own();
        let thread = self.thread.load(Relaxed);
        if thread != 0 && self.must_leave() && !self.signalled.swap(true, SeqCst) {
            // SAFETY: plain system call; the thread exists, for it could only end under the lock held here.
            let refused = unsafe { libc::syscall(libc::SYS_tgkill, libc::getpid(), thread, signal) } != 0;
            if refused {
                self.interrupt_arrived();
            }
        }
    }

    /// The thread has got an interrupt: another one may be sent.
    pub fn interrupt_arrived(&self) {
        self.signalled.store(false, SeqCst);
    }

    /// Whether the running call is the one to interrupt.
    pub fn must_leave(&self) -> bool {
        self.in_call() && self.wanted.load(SeqCst) == self.call.load(Relaxed)
    }

    /// A fault of the running call at `pc`.
    pub fn fault_at(&self, kind: FaultKind, signal: i32, pc: usize) -> Fault {
        let offset = self
            .text
            .get()
            .contains(pc)
            .then(|| pc.wrapping_sub(self.library_base.get()));
        self.new_fault(kind).at(signal, pc, offset)
    }

    /// A fault of the running call that no instruction is to blame for.
    pub fn new_fault(&self, kind: FaultKind) -> Fault {
        Fault::new(kind, self.call.load(Relaxed)).after(self.waits.get(), false)
    }

    /// Gives the slot to the calling thread. Everything else has to be set before.
    pub fn assign(&self, thread: i32) {
        self.thread.store(thread, SeqCst);
    }

    /// Frees the slot; no signal is on its way to the thread afterwards.
    pub fn release(&self) {
        let _no_signal_is_sent = own();
        self.thread.store(0, SeqCst);
    }
}

/// Takes the right to assign slots, and to rely on their threads.
pub fn own() -> MutexGuard<'static, ()> {
    OWNERSHIP.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A free slot, for the caller, who holds the lock of [`own`], to assign.
pub fn free_slot() -> Option<&'static Slot> {
    let free = SLOTS.iter().position(|slot| slot.thread.load(Relaxed) == 0)?;
    SLOTS_USED.fetch_max(free + 1, SeqCst);
    SLOTS.get(free)
}

/// Slots that may have a thread.
pub fn used_slots() -> &'static [Slot] {
    SLOTS.get(..SLOTS_USED.load(Acquire)).unwrap_or(&SLOTS)
}

/// The slot with this number.
pub fn slot_at(number: i32) -> Option<&'static Slot> {
    SLOTS.get(usize::try_from(number).ok()?)
}

/// The slot of the calling thread. A scan, not a thread-local: it is called in signal handlers, where the first use of a
/// thread-local could allocate.
pub fn slot_of_this_thread() -> Option<&'static Slot> {
    let thread = this_thread();
    used_slots().iter().find(|slot| slot.thread.load(Relaxed) == thread)
}

/// The kernel's number of the calling thread.
pub fn this_thread() -> i32 {
    // SAFETY: plain system call without arguments.
    unsafe { libc::syscall(libc::SYS_gettid) as i32 }
}

#[cfg(test)]
mod tests {
    use core::mem::zeroed;

    use super::*;

    /// Interrupts that wait for the calling thread, which blocks them; they are gone afterwards.
    fn take_waiting(signals: &libc::sigset_t) -> usize {
        // SAFETY: zeroes are a valid `timespec`: no time at all.
        let no_time: libc::timespec = unsafe { zeroed() };
        // SAFETY: the arguments are valid, and nothing is asked to be written.
        let take = || unsafe { libc::sigtimedwait(signals, ptr::null_mut(), &no_time) };
        (0..).take_while(|_| take() > 0).count()
    }

    #[test]
    fn interrupts_do_not_pile_up_for_a_thread_that_gets_no_processor() {
        let signal = libc::SIGRTMIN() + 7;
        // SAFETY: zeroes are a valid `sigset_t`, and the mask is this thread's own.
        let signals = unsafe {
            let mut signals: libc::sigset_t = zeroed();
            libc::sigaddset(&mut signals, signal);
            libc::pthread_sigmask(libc::SIG_BLOCK, &signals, ptr::null_mut());
            signals
        };
        let slot = Slot::new();
        slot.assign(this_thread());
        slot.begin_call(0);
        let call = slot.running().map_or(0, |running| running.call);
        for _ in 0..5 {
            slot.interrupt(call, signal);
        }
        assert_eq!(take_waiting(&signals), 1);
        slot.interrupt(call, signal);
        assert_eq!(take_waiting(&signals), 0, "the first one is not known to have arrived");
        slot.interrupt_arrived();
        slot.interrupt(call, signal);
        assert_eq!(take_waiting(&signals), 1);
        slot.end_call();
        slot.begin_call(0);
        let call = slot.running().map_or(0, |running| running.call);
        slot.interrupt(call, signal);
        assert_eq!(
            take_waiting(&signals),
            1,
            "another call is interrupted, whatever became of the last interrupt"
        );
    }
}
