//! What the host lends to an image.

use core::ffi::c_void;
use core::sync::atomic::AtomicU32;

/// Given to `handler_init`; stays valid until the image is gone.
///
/// The table and everything the host records through it live on the host's side: after a fault nothing in the image's
/// memory is trusted, so nothing the clean-up needs may be stored there.
#[repr(C)]
pub struct HostTable {
    /// [`crate::ABI_VERSION`] of the host.
    pub version: u32,
    /// Size of this table in bytes; a later host may append fields.
    pub size: u32,
    /// The image's whole heap: readable, writable, zeroed, page-aligned, with no-access pages on both sides.
    pub arena: *mut u8,
    /// Bytes of `arena`.
    pub arena_len: usize,
    /// Handed back as the first argument of every function below.
    pub image: *mut c_void,
    /// `pthread_key_create` without a destructor; the host deletes the key when the image goes. An errno, or 0.
    pub key_create: unsafe extern "C" fn(image: *mut c_void, key: *mut u32) -> i32,
    /// Records a descriptor the image has opened; the host closes it when the image goes. 0, or `EMFILE` when the process
    /// is short of descriptors: the host has closed this one.
    pub fd_opened: unsafe extern "C" fn(image: *mut c_void, fd: i32) -> i32,
    /// Closes (`really` = 1) or only forgets (0) a descriptor the image has opened. `-1` with `EBADF` for any other.
    pub fd_close: unsafe extern "C" fn(image: *mut c_void, fd: i32, really: i32) -> i32,
    /// Leaves the running call at once, as a fault of this [`FaultKind`]; `code` is kept for the log.
    pub fault: unsafe extern "C" fn(image: *mut c_void, kind: i32, code: i32) -> !,
    /// Records one log line (UTF-8, without its newline) of the request that is running; it survives a fault.
    pub log: unsafe extern "C" fn(image: *mut c_void, level: u32, text: *const u8, len: usize),
    /// Not 0: interrupts wait. Set between opening a descriptor and recording it, and inside the host's functions.
    pub hold: AtomicU32,
    /// Where the running call is: the frames of the image's own code, innermost first, each as the offset in the library
    /// of an address within its call. How many were written to `offsets`, which has room for `capacity`.
    pub trace: unsafe extern "C" fn(image: *mut c_void, offsets: *mut u64, capacity: usize) -> usize,
    /// Gives the whole pages among `len` bytes from `start` on, a part of the arena, back to the system: they read as zero
    /// afterwards, and occupy no memory until they are written to again. 0; or an errno, and nothing has changed.
    pub release: unsafe extern "C" fn(image: *mut c_void, start: *mut u8, len: usize) -> i32,
}

/// Most frames the host tells of in [`HostTable::trace`], and reads from a panic record.
pub const TRACE_FRAMES_MAX: usize = 64;

/// What ended a guarded call, if it was not an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(i32)]
pub enum FaultKind {
    /// An address that may not be accessed (`SIGSEGV`, `SIGBUS`).
    Memory = 1,
    /// The guarded stack is used up.
    StackOverflow = 2,
    /// `SIGILL`.
    IllegalInstruction = 3,
    /// `SIGFPE`: an integer division the processor refuses.
    Arithmetic = 4,
    /// `abort`, also of a panic while panicking.
    Abort = 5,
    /// The host ended the call: time limit or forced drain.
    Interrupted = 6,
    /// A system call was denied (`SIGSYS`).
    SystemCall = 7,
    /// `exit` and its kin; `code` is the status.
    Exit = 8,
    /// The arena is used up.
    OutOfMemory = 9,
}

/// Severity of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u32)]
pub enum LogLevel {
    /// The request failed.
    Error = 0,
    /// Something an operator should look at. What a handler prints to standard error has this level.
    Warn = 1,
    /// What a handler prints to standard output has this level.
    Info = 2,
    /// For the author.
    Debug = 3,
}
