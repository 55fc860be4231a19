//! Looks, from a signal handler, at the frames between the interrupted instruction and the switch: is it safe to leave
//! the call here?
//!
//! Leaving from within libc is not safe, for it may hold a lock (that of `malloc`, say) which would then be held for ever.
//! Foreign frames come in *runs* between frames of the image:
//!
//! ```text
//! interrupted ─► memchr   ┐
//!                getline  ┴ a run; its outermost frame returns into the image
//!                parse      image
//!                compare    image
//!                qsort    ─ another run: the callback is still inside qsort
//!                handler    image
//!                guard_switch
//! ```
//!
//! A run entered through libgcc (the image panics, or takes a backtrace) holds no lock as long as no libc function that is
//! more than a leaf is in it; its return address must not be replaced, because the unwinder itself reads it. Any other run
//! may hold locks: the return address of the outermost such run's outermost frame is where the call can be left.
//!
//! What every walk notes besides, in the slot's trace, is where in the image the call was: the backtrace of its fault.

use core::ffi::c_void;
use core::ptr;
use core::sync::atomic::AtomicUsize;
use core::sync::atomic::Ordering::Relaxed;

use crate::library::code_around;
use crate::mapping::Span;
use crate::slot::Slot;
use crate::switch::{guard_probe, switch_frame};

extern "C" {
    fn _Unwind_Backtrace(callback: extern "C" fn(*mut c_void, *mut c_void) -> i32, argument: *mut c_void) -> i32;
    fn _Unwind_GetIPInfo(context: *mut c_void, before_instruction: *mut i32) -> usize;
    fn _Unwind_GetCFA(context: *mut c_void) -> usize;
}

/// `_URC_NO_REASON`.
const GO_ON: i32 = 0;
/// `_URC_NORMAL_STOP`.
const STOP: i32 = 4;

/// Frames of the signal handler itself that may come before the interrupted one.
const OWN_FRAMES_MAX: u32 = 40;
const FRAMES_MAX: u32 = 100_000;

/// Text of libgcc's unwinder, and of the dynamic linker, which it calls to find tables.
static UNWINDER: SharedSpan = SharedSpan::new();
static DYNAMIC_LINKER: SharedSpan = SharedSpan::new();

/// Finds the libraries that matter, and makes the unwinder set up its tables before it is needed in a signal handler.
/// `None` where glibc is older than 2.35: the unwinder would take a lock of the dynamic linker there.
pub fn prepare() -> Option<()> {
    extern "C" fn ignore(_context: *mut c_void, _argument: *mut c_void) -> i32 {
        GO_ON
    }
    // SAFETY: the callback uses neither of its arguments.
    unsafe { _Unwind_Backtrace(ignore, ptr::null_mut()) };
    // SAFETY: looks up a name among the libraries of the process.
    let dl_find_object = unsafe { libc::dlsym(libc::RTLD_DEFAULT, c"_dl_find_object".as_ptr()) };
    UNWINDER.set(code_around(_Unwind_GetCFA as *const () as usize).text);
    DYNAMIC_LINKER.set(code_around(dl_find_object as usize).text);
    (!dl_find_object.is_null()).then_some(())
}

/// What a walk found.
pub struct Walk<'a> {
    slot: &'a Slot,
    text: Span,
    interrupted_pc: usize,
    started: bool,
    /// Nothing is asked but where the call is: the walk ends when its trace is full.
    only_traces: bool,
    frames: u32,
    run: Run,
    /// The walk reached the switch.
    complete: bool,
    foreign_frames: u32,
    /// Stack address of the return address through which the call can be left; 0: there is none.
    leaving_return: usize,
    /// Neither here nor through a return address.
    must_wait: bool,
}

/// The run of foreign frames that is being walked.
#[derive(Clone, Copy, Default)]
struct Run {
    frames: u32,
    outermost_pc: usize,
    /// Frames of libc functions that were called by others of the run, or call them: more than leaves.
    inner_libc_frames: u32,
}

impl<'a> Walk<'a> {
    fn new(slot: &'a Slot, interrupted_pc: usize) -> Walk<'a> {
        Walk {
            slot,
            text: slot.text.get(),
            interrupted_pc,
            started: false,
            only_traces: false,
            frames: 0,
            run: Run::default(),
            complete: false,
            foreign_frames: 0,
            leaving_return: 0,
            must_wait: false,
        }
    }

    /// Walks the frames of the interrupted call. In a signal handler on the slot's thread only.
    pub fn from(slot: &'a Slot, interrupted_pc: usize) -> Walk<'a> {
        let mut walk = Walk::new(slot, interrupted_pc);
        walk.run();
        walk
    }

    /// As [`Walk::from`], for the slot's trace alone.
    pub fn trace_from(slot: &Slot, interrupted_pc: usize) {
        let walk = Walk::new(slot, interrupted_pc);
        Walk {
            only_traces: true,
            ..walk
        }
        .run();
    }

    /// Traces the running call, of which the caller is a part. Interrupts have to be held back: their walk would end this
    /// one's probe.
    pub fn trace_here(slot: &Slot) {
        let walk = Walk::new(slot, 0);
        Walk {
            started: true,
            only_traces: true,
            ..walk
        }
        .run();
    }

    fn run(&mut self) {
        unsafe extern "C" fn backtrace(walk: *mut c_void) {
            // SAFETY: the callback gets `walk` as its argument, which is the `Walk` below.
            unsafe { _Unwind_Backtrace(visit_frame, walk) };
        }
        let slot = self.slot;
        // Not before a walk is really made: one that is held would clear what the walk it came upon has noted.
        slot.trace.clear();
        // The unwinder may fault: on a smashed stack, or in the few instructions with which libgcc installs a landing pad.
        slot.probing.set(true);
        // SAFETY: `self` outlives the probe; a fault within ends the probe by way of `probe_sp`.
        let result = unsafe { guard_probe(&slot.probe_sp, backtrace, ptr::from_mut(self).cast()) };
        slot.probing.set(false);
        self.complete &= result == 0;
    }

    /// A walk that was not made, because the image asked for interrupts to wait.
    pub fn held(slot: &'a Slot, interrupted_pc: usize) -> Walk<'a> {
        Walk {
            must_wait: true,
            ..Walk::new(slot, interrupted_pc)
        }
    }

    /// The call can be left here and now.
    pub fn may_leave_here(&self) -> bool {
        self.complete && self.leaving_return == 0 && !self.must_wait
    }

    /// The stack address of the return address through which the call can be left.
    pub fn leaving_return(&self) -> Option<usize> {
        (self.complete && self.leaving_return != 0).then_some(self.leaving_return)
    }

    /// A fault here may have happened while foreign code held a lock. A string function alone, given a bad pointer,
    /// holds none.
    pub fn may_hold_lock(&self) -> bool {
        let leaf_alone = self.foreign_frames == 1 && is_string_function(self.interrupted_pc);
        !self.complete || self.must_wait || (self.leaving_return != 0 && !leaf_alone)
    }

    /// `instruction` is an address within the one that was interrupted, or that called the frame before; `pc` is where the
    /// frame goes on.
    fn visit(&mut self, pc: usize, instruction: usize, frame_below: usize) -> i32 {
        self.frames += 1;
        if !self.started {
            if pc != self.interrupted_pc {
                return if self.frames > OWN_FRAMES_MAX { STOP } else { GO_ON };
            }
            self.started = true;
        }
        self.complete = switch_frame().contains(&pc);
        if self.text.contains(instruction) {
            self.slot.trace.push(instruction - self.slot.library_base.get());
        }
        if !self.complete && !self.text.contains(pc) {
            self.visit_foreign(pc);
        } else if self.run.frames > 0 {
            self.end_run(frame_below);
        }
        let is_enough = self.only_traces && self.slot.trace.is_full();
        if self.complete || is_enough || self.frames > FRAMES_MAX {
            STOP
        } else {
            GO_ON
        }
    }

    fn visit_foreign(&mut self, pc: usize) {
        let Run {
            frames, outermost_pc, ..
        } = self.run;
        // The frame before this one has a foreign caller. It counts unless it belongs to the unwinder, or is the very
        // function that was interrupted: memcpy and the like, called by the unwinder.
        let interrupted_leaf = frames == 1 && self.foreign_frames == 1;
        if frames > 0 && outermost_pc != 0 && !is_unwinding(outermost_pc) && !interrupted_leaf {
            self.run.inner_libc_frames += 1;
        }
        self.foreign_frames += 1;
        self.run.frames += 1;
        self.run.outermost_pc = pc;
    }

    fn end_run(&mut self, frame_below: usize) {
        if !UNWINDER.contains(self.run.outermost_pc) {
            self.leaving_return = frame_below - size_of::<usize>();
        } else if self.run.inner_libc_frames > 0 {
            self.must_wait = true;
        }
        self.run = Run::default();
    }
}

extern "C" fn visit_frame(context: *mut c_void, walk: *mut c_void) -> i32 {
    // SAFETY: `walk` is the argument `Walk::run` gave; nothing else uses it during the walk.
    let walk = unsafe { &mut *walk.cast::<Walk>() };
    let mut before_instruction = 0;
    // SAFETY: libgcc calls back with a context these functions read. Its "CFA" is that of the frame below.
    let (pc, frame_below) = unsafe {
        let pc = _Unwind_GetIPInfo(context, &mut before_instruction);
        (pc, _Unwind_GetCFA(context))
    };
    let instruction = if before_instruction != 0 {
        pc
    } else {
        pc.wrapping_sub(1)
    };
    walk.visit(pc, instruction, frame_below)
}

fn is_unwinding(pc: usize) -> bool {
    UNWINDER.contains(pc) || DYNAMIC_LINKER.contains(pc)
}

/// The string functions that libc picked for this processor (our own references resolve to the same ones), and their
/// neighbours.
fn is_string_function(pc: usize) -> bool {
    const BEFORE: usize = 0x200;
    const AROUND: usize = 0x1200;
    let functions = [
        libc::memcpy as *const () as usize,
        libc::memmove as *const () as usize,
        libc::memset as *const () as usize,
        libc::memcmp as *const () as usize,
        libc::memchr as *const () as usize,
        libc::strlen as *const () as usize,
    ];
    functions
        .iter()
        .any(|&address| pc.wrapping_sub(address.wrapping_sub(BEFORE)) < AROUND)
}

/// Set once, read in signal handlers.
struct SharedSpan {
    start: AtomicUsize,
    end: AtomicUsize,
}

impl SharedSpan {
    const fn new() -> SharedSpan {
        SharedSpan {
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        }
    }

    fn set(&self, span: Span) {
        self.start.store(span.start, Relaxed);
        self.end.store(span.end, Relaxed);
    }

    fn contains(&self, address: usize) -> bool {
        Span {
            start: self.start.load(Relaxed),
            end: self.end.load(Relaxed),
        }
        .contains(address)
    }
}
