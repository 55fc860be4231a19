//! What an image has in place of functions of libc.
//!
//! std is linked into every handler library. [`__hidden_overrides!`](crate::__hidden_overrides) defines symbols of libc's
//! names that are *hidden*: they take the references of the std and the crates in this library and of nothing else. A
//! `#[no_mangle]` function would be exported and lose against libc's own.
//!
//! What would reach beyond the image is refused, with the error such a function has. What makes a descriptor is recorded
//! with the host, which closes it when the image goes.

use core::ffi::{c_int, c_long, c_void};
use core::ptr::null_mut;
use core::slice;

use libc::{iovec, size_t, ssize_t};
use rust_edge_gateway_abi::FaultKind;

use super::host::{self, Host};
use super::{heap, output};

pub use super::descriptors::*;
pub use super::tls::{at_thread_exit, key_create, key_delete};

/// Bytes of a write that is no system call at all; what a vector's parts add up to is at most this.
const WRITE_BYTES_MAX: usize = isize::MAX as usize;

/// The host; an image that was never initialised has nothing to run and nobody to tell.
pub(super) fn host() -> Host {
    match host::table() {
        Some(host) => host,
        // SAFETY: the processor refuses this instruction; that is all it does.
        None => unsafe { core::arch::asm!("ud2", options(noreturn)) },
    }
}

pub(super) fn set_errno(error: c_int) {
    // SAFETY: libc gives the address of this thread's errno.
    unsafe { *libc::__errno_location() = error };
}

/// For functions that return -1 (also as an address: `MAP_FAILED`).
pub extern "C" fn refuse() -> c_long {
    set_errno(libc::EPERM);
    -1
}

/// For functions that return an error's number.
pub extern "C" fn refuse_with_number() -> c_int {
    libc::EPERM
}

/// For functions that return a pointer.
pub extern "C" fn refuse_with_null() -> *mut c_void {
    set_errno(libc::EPERM);
    null_mut()
}

/// `exit` and its kin end the call, not the process.
pub extern "C" fn exit(status: c_int) -> ! {
    host().fault(FaultKind::Exit, status)
}

/// `pthread_exit` would end the worker; what it returns has no meaning here.
pub extern "C" fn exit_thread(_value: *mut c_void) -> ! {
    host().fault(FaultKind::Exit, 0)
}

/// std aborts when memory is used up, and when a panic meets a panic.
pub extern "C" fn abort() -> ! {
    host().fault(
        if heap::exhausted() {
            FaultKind::OutOfMemory
        } else {
            FaultKind::Abort
        },
        0,
    )
}

/// # Safety
/// As of libc's `write`.
pub unsafe extern "C" fn write(fd: c_int, bytes: *const c_void, count: size_t) -> ssize_t {
    // SAFETY: the caller promises `count` bytes.
    if output::takes(fd) && output::take(fd, unsafe { bytes_of(bytes, count) }) {
        return count as ssize_t;
    }
    // SAFETY: the caller's promise is the one the system call asks for.
    unsafe { libc::syscall(libc::SYS_write, fd, bytes, count) as ssize_t }
}

/// # Safety
/// As of libc's `writev`.
pub unsafe extern "C" fn writev(fd: c_int, parts: *const iovec, count: c_int) -> ssize_t {
    if !output::takes(fd) || count < 0 {
        // SAFETY: the caller's promise is the one the system call asks for.
        return unsafe { libc::syscall(libc::SYS_writev, fd, parts, count) as ssize_t };
    }
    let mut written = 0;
    for at in 0..count as usize {
        // SAFETY: the caller promises `count` vectors, each with its bytes.
        let bytes = unsafe {
            let part = &*parts.add(at);
            bytes_of(part.iov_base, part.iov_len)
        };
        output::take(fd, bytes);
        written += bytes.len();
    }
    written as ssize_t
}

/// # Safety
/// `bytes` is null or points to `count` bytes that nobody writes to during `'a`.
unsafe fn bytes_of<'a>(bytes: *const c_void, count: usize) -> &'a [u8] {
    if bytes.is_null() || count > WRITE_BYTES_MAX {
        return &[];
    }
    // SAFETY: the caller's promise, and not null.
    unsafe { slice::from_raw_parts(bytes.cast(), count) }
}
