//! Memory with no-access pages around it.

use core::ops::Range;
use core::ptr::null_mut;

use libc::{MAP_ANONYMOUS, MAP_FAILED, MAP_NORESERVE, MAP_PRIVATE, PROT_NONE, PROT_READ, PROT_WRITE};

pub const PAGE_BYTES: usize = 4096;

/// Bytes nobody may access below a stack and around an arena: wide, for code that skips over one page (no stack probes,
/// an index far out of bounds).
pub const RED_ZONE_BYTES: usize = 1 << 20;

/// Zeroed memory of its own, unmapped on drop.
pub struct Mapping {
    start: usize,
    usable: Range<usize>,
    end: usize,
}

impl Mapping {
    /// Maps at least `len` usable bytes between `before` and `after` (multiples of a page) that may not be accessed.
    pub fn new(before: usize, len: usize, after: usize) -> Option<Mapping> {
        let len = len.max(1).checked_next_multiple_of(PAGE_BYTES)?;
        let total = len.checked_add(before)?.checked_add(after)?;
        let flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE;
        // SAFETY: a fresh anonymous mapping at an address the kernel chooses touches no existing memory.
        let start = unsafe { libc::mmap(null_mut(), total, PROT_NONE, flags, -1, 0) };
        if start == MAP_FAILED {
            return None;
        }
        let start = start as usize;
        let mapping = Mapping {
            start,
            usable: start + before..start + before + len,
            end: start + total,
        };
        // SAFETY: the range lies in the mapping just made, which nobody else knows yet.
        let status = unsafe { libc::mprotect(mapping.as_ptr().cast(), len, PROT_READ | PROT_WRITE) };
        (status == 0).then_some(mapping)
    }

    /// First usable byte.
    pub fn as_ptr(&self) -> *mut u8 {
        self.usable.start as *mut u8
    }

    /// Usable bytes.
    pub fn len(&self) -> usize {
        self.usable.len()
    }

    /// Addresses that may be accessed.
    pub fn usable(&self) -> Range<usize> {
        self.usable.clone()
    }

    /// All addresses, those that may not be accessed included.
    pub fn whole(&self) -> Range<usize> {
        self.start..self.end
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this value owns the mapping, and whoever handed out addresses in it ends before it does.
        unsafe { libc::munmap(self.start as *mut _, self.end - self.start) };
    }
}

/// A range of addresses.
#[derive(Clone, Copy)]
pub struct Span {
    pub start: usize,
    pub end: usize,
}

impl Span {
    pub const EMPTY: Span = Span { start: 0, end: 0 };

    pub fn contains(self, address: usize) -> bool {
        (self.start..self.end).contains(&address)
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span {
            start: range.start,
            end: range.end,
        }
    }
}
