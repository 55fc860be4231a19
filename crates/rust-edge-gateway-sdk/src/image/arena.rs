//! The memory an image's heap is made of: one arena, handed to dlmalloc from its beginning on.
//!
//! ```text
//!   start              handed out        handed out most     touched              end
//!     │ dlmalloc's segment │                   │                │ never written to  │
//!     └────────────────────┴───────────────────┴────────────────┴───────────────────┘
//!                          └── not dlmalloc's; may hold old bytes ┘
//! ```
//!
//! What dlmalloc gives back at its end costs nothing at first: it is only counted. The pages go back to the system with
//! [`Arena::settle`], and only those beyond all that was handed out since the last one: memory that comes and goes with
//! every request stays.

use core::cell::Cell;
use core::ptr::null_mut;

use dlmalloc::Allocator;

use super::host;

/// Bytes of a page; the host's are as large.
const PAGE_BYTES: usize = 4096;

/// Who lends the arena.
pub(super) trait Lender: Send {
    /// Where it begins, page-aligned, and its bytes; `None` before there is one. It stays the same for ever.
    fn arena(&self) -> Option<(*mut u8, usize)>;

    /// Gives whole pages among `len` bytes from `start` on back to the system. Nothing is lost when it does not.
    fn release(&self, start: *mut u8, len: usize);
}

/// The host.
pub(super) struct HostArena;

impl Lender for HostArena {
    fn arena(&self) -> Option<(*mut u8, usize)> {
        host::table().map(host::Host::arena)
    }

    fn release(&self, start: *mut u8, len: usize) {
        if let Some(host) = host::table() {
            host.release(start, len);
        }
    }
}

/// dlmalloc's source of memory. Its cells need no lock: an image has one thread.
pub(super) struct Arena<L> {
    lender: L,
    /// Bytes handed out: the first so many.
    used: Cell<usize>,
    /// Most bytes handed out since `settle`.
    used_most: Cell<usize>,
    /// Beyond so many bytes nothing was written since the arena was lent or released.
    touched: Cell<usize>,
    /// Nothing more is handed out: dlmalloc has to do with what it has.
    is_closed: Cell<bool>,
}

impl<L: Lender> Arena<L> {
    pub const fn new(lender: L) -> Self {
        Arena {
            lender,
            used: Cell::new(0),
            used_most: Cell::new(0),
            touched: Cell::new(0),
            is_closed: Cell::new(false),
        }
    }

    /// Bytes handed out.
    pub fn used(&self) -> usize {
        self.used.get()
    }

    /// While closed, nothing more is handed out.
    pub fn close(&self, is_closed: bool) {
        self.is_closed.set(is_closed);
    }

    /// Gives whole pages of a block of the heap back to the system.
    pub fn release(&self, start: *mut u8, len: usize) {
        self.lender.release(start, len);
    }

    /// Gives back what dlmalloc has given back and has not needed since the last call.
    pub fn settle(&self) {
        let (kept, touched) = (self.used_most.get(), self.touched.get());
        self.used_most.set(self.used.get());
        if let (Some((arena, _)), true) = (self.lender.arena(), kept < touched) {
            self.lender.release(arena.wrapping_add(kept), touched - kept);
            self.touched.set(kept);
        }
    }
}

// SAFETY: every call hands out bytes of the arena that dlmalloc does not have: the next after those it has. They stay until
// it gives them back or the image is gone.
unsafe impl<L: Lender> Allocator for Arena<L> {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        const NONE: (*mut u8, usize, u32) = (null_mut(), 0, 0);
        let Some((arena, len)) = self.lender.arena() else {
            return NONE;
        };
        let used = self.used.get();
        if self.is_closed.get() || size > len - used {
            return NONE;
        }
        let end = used + size;
        self.used.set(end);
        self.used_most.set(self.used_most.get().max(end));
        self.touched.set(self.touched.get().max(end));
        // Within the arena, for `end` is at most its length.
        (arena.wrapping_add(used), size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    /// dlmalloc calls it for the end of its one segment, which is the end of what was handed out.
    fn free_part(&self, start: *mut u8, old_size: usize, new_size: usize) -> bool {
        let Some((arena, _)) = self.lender.arena() else {
            return false;
        };
        let is_end = start.wrapping_add(old_size) == arena.wrapping_add(self.used.get());
        if is_end {
            self.used.set(self.used.get() - (old_size - new_size));
        }
        is_end
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        true
    }

    /// What was given back and is handed out again has old bytes in it.
    fn allocates_zeros(&self) -> bool {
        false
    }

    fn page_size(&self) -> usize {
        PAGE_BYTES
    }
}
