//! The image's heap: dlmalloc on the one arena the host lends.
//!
//! So whatever a handler leaks or damages is gone with its image. When the arena is used up an allocation gives null,
//! std calls `abort`, and [`super::overrides`] tells the host that it was for want of memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};

use dlmalloc::{Allocator, Dlmalloc};

use super::host;
use super::one_thread::OneThread;

/// Bytes of the arena handed to dlmalloc so far; it never gives any back.
static USED: AtomicUsize = AtomicUsize::new(0);

/// The last allocation failed: an abort that follows is for want of memory.
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// Whether the last allocation failed.
pub(crate) fn exhausted() -> bool {
    EXHAUSTED.load(Relaxed)
}

struct Arena;

// SAFETY: every call hands out bytes of the arena that no call before has handed out, and they stay until the image is
// gone. The host has zeroed and page-aligned them.
unsafe impl Allocator for Arena {
    fn alloc(&self, size: usize) -> (*mut u8, usize, u32) {
        const NONE: (*mut u8, usize, u32) = (null_mut(), 0, 0);
        let Some(host) = host::table() else { return NONE };
        let (arena, arena_len) = host.arena();
        let used = USED.load(Relaxed);
        if size > arena_len - used {
            return NONE;
        }
        USED.store(used + size, Relaxed);
        // SAFETY: `used + size` is at most the arena's length.
        (unsafe { arena.add(used) }, size, 0)
    }

    fn remap(&self, _: *mut u8, _: usize, _: usize, _: bool) -> *mut u8 {
        null_mut()
    }

    fn free_part(&self, _: *mut u8, _: usize, _: usize) -> bool {
        false
    }

    fn free(&self, _: *mut u8, _: usize) -> bool {
        false
    }

    fn can_release_part(&self, _: u32) -> bool {
        false
    }

    fn allocates_zeros(&self) -> bool {
        true
    }

    fn page_size(&self) -> usize {
        4096
    }
}

/// The allocator of an image; there is one.
pub struct Heap(OneThread<UnsafeCell<Dlmalloc<Arena>>>);

impl Heap {
    /// The heap before its first allocation.
    #[expect(
        clippy::new_without_default,
        reason = "only a static is ever made of it, by a const function"
    )]
    pub const fn new() -> Self {
        Heap(OneThread(UnsafeCell::new(Dlmalloc::new_with_allocator(Arena))))
    }

    /// dlmalloc, for one call.
    #[expect(
        clippy::mut_from_ref,
        reason = "the one thread of the image enters dlmalloc once at a time"
    )]
    fn dlmalloc(&self) -> &mut Dlmalloc<Arena> {
        // SAFETY: one thread, see `OneThread`, and dlmalloc calls nothing that allocates: no other reference is alive.
        unsafe { &mut *self.0 .0.get() }
    }
}

fn checked(pointer: *mut u8) -> *mut u8 {
    EXHAUSTED.store(pointer.is_null(), Relaxed);
    pointer
}

// SAFETY: dlmalloc is an allocator, used as its interface asks: memory is given back with the layout it was had with.
unsafe impl GlobalAlloc for Heap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise about `layout` is the one dlmalloc asks for.
        checked(unsafe { self.dlmalloc().malloc(layout.size(), layout.align()) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        checked(unsafe { self.dlmalloc().calloc(layout.size(), layout.align()) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; the caller had `pointer` from this allocator.
        unsafe { self.dlmalloc().free(pointer, layout.size(), layout.align()) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        checked(unsafe {
            self.dlmalloc()
                .realloc(pointer, layout.size(), layout.align(), new_size)
        })
    }
}
