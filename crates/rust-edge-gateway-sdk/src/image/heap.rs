//! The image's heap: dlmalloc on the one arena the host lends.
//!
//! So whatever a handler leaks or damages is gone with its image. When the arena is used up an allocation gives null,
//! std calls `abort`, and [`super::overrides`] tells the host that it was for want of memory.

use core::alloc::{GlobalAlloc, Layout};
use core::cell::UnsafeCell;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};

use dlmalloc::Dlmalloc;

use super::arena::{Arena, HostArena, Lender};
use super::one_thread::OneThread;

/// With less free memory than this nothing is looked for: it would be needed again soon.
const TRIM_BYTES_MIN: usize = 256 << 10;
/// Smallest free block that is worth a system call.
const BLOCK_BYTES_MIN: usize = 16 << 10;
/// What dlmalloc aligns everything to.
const BLOCK_ALIGN: usize = 16;

/// The last allocation failed: an abort that follows is for want of memory.
static EXHAUSTED: AtomicBool = AtomicBool::new(false);

/// Whether the last allocation failed.
pub(crate) fn exhausted() -> bool {
    EXHAUSTED.load(Relaxed)
}

/// The allocator of an image; there is one.
pub struct Heap(OneThread<UnsafeCell<Blocks<HostArena>>>);

impl Heap {
    /// The heap before its first allocation.
    #[expect(
        clippy::new_without_default,
        reason = "only a static is ever made of it, by a const function"
    )]
    pub const fn new() -> Self {
        Heap(OneThread(UnsafeCell::new(Blocks::new(HostArena))))
    }

    /// Gives memory back to the system that has not been needed since the last call.
    pub fn trim(&self) {
        self.blocks().trim();
    }

    /// The blocks, for one call.
    #[expect(
        clippy::mut_from_ref,
        reason = "the one thread of the image enters the heap once at a time"
    )]
    fn blocks(&self) -> &mut Blocks<HostArena> {
        // SAFETY: one thread, see `OneThread`, and the heap calls nothing that allocates: no other reference is alive.
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
        checked(unsafe { self.blocks().alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as in `alloc`.
        checked(unsafe { self.blocks().alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: as in `alloc`; the caller had `pointer` from this allocator.
        unsafe { self.blocks().dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: as in `dealloc`.
        checked(unsafe { self.blocks().realloc(pointer, layout, new_size) })
    }
}

/// dlmalloc, and a count of what it has given.
struct Blocks<L: Lender> {
    dlmalloc: Dlmalloc<Arena<L>>,
    /// Bytes of all blocks that are in use.
    live: usize,
    /// Most of them since the last trim.
    live_most: usize,
}

/// A free block found by [`Blocks::trim`]; written to its beginning.
struct FreeBlock {
    next: *mut FreeBlock,
    bytes: usize,
}

impl<L: Lender> Blocks<L> {
    const fn new(lender: L) -> Self {
        Blocks {
            dlmalloc: Dlmalloc::new_with_allocator(Arena::new(lender)),
            live: 0,
            live_most: 0,
        }
    }

    /// Null: there is no room.
    ///
    /// # Safety
    /// `layout` has a size that is not 0.
    unsafe fn alloc(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let pointer = unsafe { self.dlmalloc.malloc(layout.size(), layout.align()) };
        self.count(pointer, 0, layout.size())
    }

    /// # Safety
    /// As of `alloc`.
    unsafe fn alloc_zeroed(&mut self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promise.
        let pointer = unsafe { self.dlmalloc.calloc(layout.size(), layout.align()) };
        self.count(pointer, 0, layout.size())
    }

    /// # Safety
    /// `pointer` was had from these blocks with `layout`.
    unsafe fn dealloc(&mut self, pointer: *mut u8, layout: Layout) {
        self.live = self.live.wrapping_sub(layout.size());
        // SAFETY: the caller's promise.
        unsafe { self.dlmalloc.free(pointer, layout.size(), layout.align()) }
    }

    /// # Safety
    /// As of `dealloc` and `alloc`.
    unsafe fn realloc(&mut self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        // SAFETY: the caller's promise.
        let moved = unsafe { self.dlmalloc.realloc(pointer, layout.size(), layout.align(), new_size) };
        self.count(moved, layout.size(), new_size)
    }

    /// A block of `before` bytes has `after` now, unless `pointer` is null.
    fn count(&mut self, pointer: *mut u8, before: usize, after: usize) -> *mut u8 {
        if !pointer.is_null() {
            self.live = self.live.wrapping_sub(before).wrapping_add(after);
            self.live_most = self.live_most.max(self.live);
        }
        pointer
    }

    /// Gives memory back to the system, but as much as was needed at once since the last trim: a handler that takes as
    /// much with every request keeps it, and one that did so once has it for one trim more.
    ///
    /// It knows nothing of dlmalloc's inside. A free block is one that can be had; what is in it is nobody's, so its pages
    /// can go, and then it is free again.
    fn trim(&mut self) {
        let kept = self.live_most.saturating_sub(self.live);
        self.live_most = self.live;
        // SAFETY: only moves the end of dlmalloc's own memory.
        unsafe { self.dlmalloc.trim(kept) };
        let free = self.arena().used().saturating_sub(self.live);
        if free >= kept.saturating_add(TRIM_BYTES_MIN) {
            let found = self.take_free_blocks();
            self.release(found, kept);
        }
        self.arena().settle();
    }

    /// Everything free, in blocks of powers of two: a list, the smallest first.
    fn take_free_blocks(&mut self) -> *mut FreeBlock {
        let mut found = null_mut();
        let mut bytes = self.arena().used().next_power_of_two();
        self.arena().close(true);
        while bytes >= BLOCK_BYTES_MIN {
            // SAFETY: a size that is not 0 and an alignment that is a power of two.
            let block = unsafe { self.dlmalloc.malloc(bytes, BLOCK_ALIGN) }.cast::<FreeBlock>();
            if block.is_null() {
                bytes /= 2;
                continue;
            }
            // SAFETY: the block is large enough, aligned, and nobody else's.
            unsafe { block.write(FreeBlock { next: found, bytes }) };
            found = block;
        }
        self.arena().close(false);
        found
    }

    /// Frees the blocks of a list again; the pages of those beyond the first `kept` bytes go back to the system.
    fn release(&mut self, mut list: *mut FreeBlock, mut kept: usize) {
        while !list.is_null() {
            let block = list.cast::<u8>();
            // SAFETY: `take_free_blocks` wrote it, and this is the first that touches it since.
            let FreeBlock { next, bytes } = unsafe { list.read() };
            if bytes <= kept {
                kept -= bytes;
            } else {
                // dlmalloc's marks stand before the block and behind it.
                self.arena().release(block, bytes);
            }
            // SAFETY: had from `malloc` with this size and alignment; nothing refers to it any more.
            unsafe { self.dlmalloc.free(block, bytes, BLOCK_ALIGN) };
            list = next;
        }
    }

    fn arena(&self) -> &Arena<L> {
        self.dlmalloc.allocator()
    }
}

#[cfg(test)]
mod tests;
