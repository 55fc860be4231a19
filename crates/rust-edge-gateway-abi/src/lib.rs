//! The C ABI between Rust Edge Gateway and a handler library, version 1.
//!
//! Three readers share it: the guard (host side), the SDK (image side), and whoever writes a handler in another
//! language, for whom `include/rust_edge_gateway.h` says the same in C. The crate has no dependencies and no code
//! that runs on its own.
//!
//! Every entry point has the same shape, [`EntryPoint`], so that all of them can run under the guard.

#![no_std]
extern crate alloc;

pub mod frame;
mod host;

pub use host::{FaultKind, HostTable, LogLevel, TRACE_FRAMES_MAX};

/// Version of this ABI; a library exports it as `handler_abi`, a `u32` that is read before any of its code runs.
pub const ABI_VERSION: u32 = 1;

/// Name of the exported [`ABI_VERSION`].
pub const ABI_SYMBOL: &str = "handler_abi";

/// An entry point of an image: `(input, input length, output, output capacity)`.
///
/// The result is the number of bytes written to the output; or `-n` when `n` bytes are ready and do not fit, to be had
/// by `handler_fetch` with a larger output.
pub type EntryPoint = unsafe extern "C" fn(*const u8, usize, *mut u8, usize) -> i64;

/// Names of the entry points that every library has, in the order the guard numbers them.
///
/// | name | input | does |
/// | --- | --- | --- |
/// | `handler_init` | the [`HostTable`] | first call; returns [`ABI_VERSION`] |
/// | `handler_entry` | a request frame | starts one request |
/// | `handler_resume` | a resume frame | gives the result of a host operation to the request that waits for it |
/// | `handler_cancel` | a cancel frame | drops a request |
/// | `handler_fetch` | nothing | the output that did not fit before |
/// | `handler_end` | nothing | last call of a clean unbind: drops what is left and runs thread-local destructors |
pub const ENTRY_POINTS: [&str; 6] = [
    "handler_init",
    "handler_entry",
    "handler_resume",
    "handler_cancel",
    "handler_fetch",
    "handler_end",
];

/// Names of the entry points that a library may have; their numbers follow those of [`ENTRY_POINTS`].
///
/// | name | input | does |
/// | --- | --- | --- |
/// | `handler_trim` | nothing | gives memory back that has not been needed since the last such call; no output |
///
/// The host calls `handler_trim` when it has nothing else for the image to do: once in a while when requests come, and
/// twice after the last one.
pub const OPTIONAL_ENTRY_POINTS: [&str; 1] = ["handler_trim"];
