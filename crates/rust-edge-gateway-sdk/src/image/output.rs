//! What a handler prints: lines of its log.

use core::cell::RefCell;
use std::io::Write;

use rust_edge_gateway_abi::LogLevel;

use super::host::{self, Host};
use super::one_thread::OneThread;

/// A line longer than this becomes several. The buffers are in the library itself: printing must not allocate, std prints
/// when memory is used up.
const LINE_BYTES_MAX: usize = 4096;

static STDOUT: OneThread<RefCell<Lines>> = OneThread(RefCell::new(Lines::new(LogLevel::Info)));
static STDERR: OneThread<RefCell<Lines>> = OneThread(RefCell::new(Lines::new(LogLevel::Warn)));

struct Lines {
    level: LogLevel,
    unfinished: [u8; LINE_BYTES_MAX],
    len: usize,
}

impl Lines {
    const fn new(level: LogLevel) -> Self {
        Lines {
            level,
            unfinished: [0; LINE_BYTES_MAX],
            len: 0,
        }
    }

    fn write(&mut self, host: Host, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line = &bytes[..end];
            if self.len == 0 {
                host.log(self.level, line);
            } else {
                self.append(host, line);
                self.finish(host);
            }
            bytes = &bytes[end + 1..];
        }
        self.append(host, bytes);
    }

    fn append(&mut self, host: Host, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            if self.len == LINE_BYTES_MAX {
                self.finish(host);
            }
            let fitting = bytes.len().min(LINE_BYTES_MAX - self.len);
            self.unfinished[self.len..self.len + fitting].copy_from_slice(&bytes[..fitting]);
            self.len += fitting;
            bytes = &bytes[fitting..];
        }
    }

    fn finish(&mut self, host: Host) {
        if self.len > 0 {
            host.log(self.level, &self.unfinished[..self.len]);
            self.len = 0;
        }
    }
}

fn lines_of(fd: i32) -> Option<&'static OneThread<RefCell<Lines>>> {
    match fd {
        libc::STDOUT_FILENO => Some(&STDOUT),
        libc::STDERR_FILENO => Some(&STDERR),
        _ => None,
    }
}

/// Takes what was written to a descriptor; `false` when it is not one a handler prints to.
pub(crate) fn take(fd: i32, bytes: &[u8]) -> bool {
    let (Some(lines), Some(host)) = (lines_of(fd), host::table()) else {
        return false;
    };
    lines.0.borrow_mut().write(host, bytes);
    true
}

/// Whether a handler prints to this descriptor.
pub(crate) fn takes(fd: i32) -> bool {
    lines_of(fd).is_some()
}

/// Logs lines that have no end yet: at the end of a call they belong to its request.
pub(crate) fn flush() {
    // A failure would be of our own `write`, which has none.
    let _ = std::io::stdout().flush();
    let Some(host) = host::table() else { return };
    for lines in [&STDOUT, &STDERR] {
        lines.0.borrow_mut().finish(host);
    }
}
