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

    /// Asks for pages of PAGE_BYTES: where the system makes huge ones by itself, the first byte written would occupy 2 MiB,
    /// and giving back a part of them would free nothing. A system that has none refuses, which is as good.
    pub fn use_small_pages(&self) {
        // SAFETY: changes how the mapping of this value is backed, not what is in it.
        unsafe { libc::madvise(self.as_ptr().cast(), self.len(), libc::MADV_NOHUGEPAGE) };
    }

    /// Gives the whole pages in `part` back to the system: they read as zero afterwards. An errno when `part` is not within
    /// the usable bytes or the system refuses, or 0.
    pub fn release(&self, part: Range<usize>) -> i32 {
        if part.start > part.end || part.start < self.usable.start || part.end > self.usable.end {
            return libc::EINVAL;
        }
        let start = part.start.next_multiple_of(PAGE_BYTES);
        let end = part.end / PAGE_BYTES * PAGE_BYTES;
        if start >= end {
            return 0;
        }
        // SAFETY: the pages are this value's; who asks for it has no use for what is in them.
        match unsafe { libc::madvise(start as *mut _, end - start, libc::MADV_DONTNEED) } {
            0 => 0,
            // SAFETY: errno of this thread is always there.
            _ => unsafe { *libc::__errno_location() },
        }
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

/// Bytes of the pages of `span` that are in memory. Only asks the kernel and touches none of them, so `span` may be unmapped
/// at any time; what is unmapped is not in memory.
pub fn resident_bytes(span: Span) -> usize {
    /// As many as the kernel looks at in one go anyway; a page of stack.
    const PAGES_AT_ONCE: usize = PAGE_BYTES;
    /// So many fit into a byte when counted: the compiler then counts 16 in one instruction.
    const FLAGS_AT_ONCE: usize = 128;
    let count = |flags: &[u8]| usize::from(flags.iter().fold(0u8, |sum, flag| sum + (flag & 1)));
    let mut flags = [0u8; PAGES_AT_ONCE];
    let mut pages = 0;
    let mut start = span.start;
    while start < span.end {
        let len = (span.end - start).min(PAGES_AT_ONCE * PAGE_BYTES);
        // SAFETY: `flags` has room for the flag of every page; the kernel refuses addresses that nothing is mapped to.
        if unsafe { libc::mincore(start as *mut _, len, flags.as_mut_ptr()) } == 0 {
            let seen = &flags[..len.div_ceil(PAGE_BYTES)];
            pages += seen.chunks(FLAGS_AT_ONCE).map(count).sum::<usize>();
        }
        start += len;
    }
    pages * PAGE_BYTES
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Span {
        Span {
            start: range.start,
            end: range.end,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn touched(pages: usize) -> Mapping {
        let mapping = Mapping::new(PAGE_BYTES, pages * PAGE_BYTES, PAGE_BYTES).expect("memory");
        mapping.use_small_pages();
        // SAFETY: all of the usable bytes.
        unsafe { mapping.as_ptr().write_bytes(1, mapping.len()) };
        mapping
    }

    fn resident_pages(mapping: &Mapping) -> usize {
        resident_bytes(mapping.usable().into()) / PAGE_BYTES
    }

    #[test]
    fn pages_count_as_resident_from_the_first_write_until_they_are_released() {
        let pages = 3 * PAGE_BYTES / 2;
        let mapping = Mapping::new(0, pages * PAGE_BYTES, 0).expect("memory");
        mapping.use_small_pages();
        assert_eq!(resident_pages(&mapping), 0);
        for page in [0, PAGE_BYTES - 1, PAGE_BYTES, pages - 1] {
            // SAFETY: a usable byte.
            unsafe { mapping.as_ptr().add(page * PAGE_BYTES).write(1) };
        }
        assert_eq!(resident_pages(&mapping), 4);
        assert_eq!(mapping.release(mapping.usable()), 0);
        assert_eq!(resident_pages(&mapping), 0);
    }

    #[test]
    fn only_whole_pages_are_released_and_read_as_zero() {
        let mapping = touched(4);
        let start = mapping.usable().start;
        assert_eq!(mapping.release(start + 1..start + 3 * PAGE_BYTES - 1), 0);
        assert_eq!(resident_pages(&mapping), 3);
        // SAFETY: all of the usable bytes.
        let bytes = unsafe { core::slice::from_raw_parts(mapping.as_ptr(), mapping.len()) };
        let zeros = bytes
            .iter()
            .enumerate()
            .filter(|(_, &byte)| byte == 0)
            .map(|(at, _)| at);
        assert!(zeros.eq(PAGE_BYTES..2 * PAGE_BYTES));
    }

    #[test]
    fn what_is_not_in_the_mapping_is_not_released() {
        let mapping = touched(2);
        let Range { start, end } = mapping.usable();
        for part in [
            start - 1..end,
            start..end + 1,
            end..start,
            0..PAGE_BYTES,
            start..usize::MAX,
        ] {
            assert_eq!(mapping.release(part), libc::EINVAL);
        }
        assert_eq!(mapping.release(start..start), 0);
        assert_eq!(resident_pages(&mapping), 2);
    }

    #[test]
    fn what_is_not_mapped_is_not_resident() {
        // Addresses so low are never mapped.
        let unmapped = Span {
            start: PAGE_BYTES,
            end: 4 * PAGE_BYTES,
        };
        assert_eq!(resident_bytes(unmapped), 0);
        assert_eq!(resident_bytes(Span::EMPTY), 0);
    }
}
