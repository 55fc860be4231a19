//! Guarded calls into handler libraries, for long-lived worker threads of a process that must not die with them.
//!
//! A *slot* is what the guard knows of one worker thread: its call stack, its signal stack, the call that runs. An
//! *image* is one private copy of a handler library, bound to one slot. Every entry point of an image runs on the slot's
//! stack, reached through `switch`; whatever happens there, the host gets its thread back in one of three ways
//! (`leave`): the signal handler of a fault rewrites the interrupted context, a return address in libc's frame is
//! replaced so that libc finishes first, or the image asks for it.
//!
//! Nothing that the clean-up of an image needs is stored in the image's memory: descriptors, thread-local keys and the
//! arena are recorded here. So an image can be thrown away after any fault without running its code.
//!
//! What may run where decides most of the code: signal handlers interrupt any code of the thread, so they use no
//! thread-local, no lock and no allocation; only `exports` and what it calls outside a guarded call may.
//!
//! The C interface is in `exports`; no export panics.

#[cfg(not(all(target_arch = "x86_64", target_os = "linux", target_env = "gnu")))]
compile_error!("the guard switches stacks and rewrites signal contexts for x86_64 Linux with glibc only");

mod context;
mod exports;
mod host;
mod image;
mod image_table;
mod leave;
mod library;
mod lifeline;
mod log;
mod mapping;
mod report;
mod signals;
mod slot;
mod switch;
mod thread;
mod trace;
mod unwind;
mod watchdog;
