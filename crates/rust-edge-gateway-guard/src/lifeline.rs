//! A descriptor that closes as soon as the process begins to die.
//!
//! A process that is killed closes its descriptors only after it has given its memory back, which takes a gateway process
//! tens of milliseconds; whoever waits for one of them to close hears of the death as late. The thread in here has a table
//! of descriptors of its own, with that one descriptor in it, and never does anything: it is gone within a fraction of a
//! millisecond, and its table with it.

use core::mem;
use std::sync::{mpsc, OnceLock};
use std::thread;

use libc::c_int;

use crate::signals::block_all_signals;

const STACK_BYTES: usize = 64 << 10;

/// Takes `fd`, a socket, over, once per process: from now on it is open in the thread alone. `None`: it is no socket, or the
/// system refuses the thread or the table; then it stays as it is.
pub fn hold(fd: c_int) -> Option<()> {
    static HELD: OnceLock<bool> = OnceLock::new();
    if !is_socket(fd) {
        return None;
    }
    HELD.get_or_init(|| start(fd).is_some()).then_some(())
}

fn start(fd: c_int) -> Option<()> {
    let (report, reported) = mpsc::channel();
    let hold = move || {
        block_all_signals();
        let is_held = keep_only(fd).is_some();
        let _ = report.send(is_held);
        if !is_held {
            return;
        }
        loop {
            // SAFETY: waits for a signal; all of them are blocked.
            unsafe { libc::pause() };
        }
    };
    thread::Builder::new()
        .name("guard-lifeline".into())
        .stack_size(STACK_BYTES)
        .spawn(hold)
        .ok()?;
    reported.recv().ok().filter(|&is_held| is_held)?;
    // SAFETY: the caller gives the descriptor away; the thread's is another one.
    unsafe { libc::close(fd) };
    Some(())
}

/// Gives the calling thread a table of its own and closes all that is in it but `fd`.
fn keep_only(fd: c_int) -> Option<()> {
    let number = libc::c_uint::try_from(fd).ok()?;
    // SAFETY: copies the table for this thread; the descriptors that are closed in it stay open in the process.
    unsafe {
        if libc::unshare(libc::CLONE_FILES) != 0 {
            return None;
        }
        let below = number == 0 || libc::close_range(0, number - 1, 0) == 0;
        let above = libc::close_range(number + 1, libc::c_uint::MAX, 0) == 0;
        (below && above).then_some(())
    }
}

/// Whoever started the process may have given it nothing under that number: then it is somebody else's by now.
fn is_socket(fd: c_int) -> bool {
    // SAFETY: zeroes are a valid `stat`, which the call writes.
    unsafe {
        let mut stat: libc::stat = mem::zeroed();
        libc::fstat(fd, &mut stat) == 0 && stat.st_mode & libc::S_IFMT == libc::S_IFSOCK
    }
}
