//! The heap on an arena of its own, with the kernel's word for what it occupies.

use core::ptr::null_mut;

use super::*;

const MIB: usize = 1 << 20;
const PAGE_BYTES: usize = 4096;
/// What a heap may keep beside its blocks: what dlmalloc takes at once, and pages with marks in them.
const SLACK_BYTES: usize = 256 << 10;

/// Memory from the system, unmapped on drop.
struct Memory {
    start: *mut u8,
    len: usize,
}

impl Memory {
    fn new(len: usize) -> Memory {
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        // SAFETY: a fresh mapping touches no existing memory.
        let start = unsafe { libc::mmap(null_mut(), len, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0) };
        assert_ne!(start, libc::MAP_FAILED);
        // SAFETY: the mapping was made just above; huge pages would blur what is measured.
        unsafe { libc::madvise(start, len, libc::MADV_NOHUGEPAGE) };
        let start = start.cast();
        Memory { start, len }
    }

    fn resident(&self) -> usize {
        let mut flags = vec![0u8; self.len / PAGE_BYTES];
        // SAFETY: there is a flag for every page.
        let status = unsafe { libc::mincore(self.start.cast(), self.len, flags.as_mut_ptr()) };
        assert_eq!(status, 0);
        flags.iter().filter(|&&flag| flag & 1 != 0).count() * PAGE_BYTES
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        // SAFETY: mapped by `new`; the heap on it ends first, for it borrows this value.
        unsafe { libc::munmap(self.start.cast(), self.len) };
    }
}

// SAFETY: addresses; the tests use them on one thread.
unsafe impl Sync for Memory {}

impl Lender for &Memory {
    fn arena(&self) -> Option<(*mut u8, usize)> {
        Some((self.start, self.len))
    }

    fn release(&self, start: *mut u8, len: usize) {
        assert!(start >= self.start && start as usize + len <= self.start as usize + self.len);
        let first = (start as usize).next_multiple_of(PAGE_BYTES);
        let end = (start as usize + len) / PAGE_BYTES * PAGE_BYTES;
        if first < end {
            // SAFETY: within the mapping; the heap has no use for what is there.
            unsafe { libc::madvise(first as *mut _, end - first, libc::MADV_DONTNEED) };
        }
    }
}

/// A block with a byte of its own all over.
struct Block {
    pointer: *mut u8,
    layout: Layout,
    fill: u8,
}

fn take(blocks: &mut Blocks<&Memory>, bytes: usize, fill: u8) -> Block {
    let layout = Layout::from_size_align(bytes, 8).expect("a layout");
    // SAFETY: the size is not 0, and a block has so many bytes.
    let pointer = unsafe { blocks.alloc(layout) };
    assert!(!pointer.is_null(), "no room for {bytes} bytes");
    // SAFETY: as above.
    unsafe { pointer.write_bytes(fill, bytes) };
    Block { pointer, layout, fill }
}

fn give(blocks: &mut Blocks<&Memory>, block: Block) {
    check(&block);
    // SAFETY: had from these blocks with this layout.
    unsafe { blocks.dealloc(block.pointer, block.layout) };
}

fn check(block: &Block) {
    // SAFETY: the block has so many bytes.
    let bytes = unsafe { core::slice::from_raw_parts(block.pointer, block.layout.size()) };
    assert!(is_filled(bytes, block.fill), "a block has lost its bytes");
}

/// By pages: an unoptimized test is slow by bytes.
fn is_filled(bytes: &[u8], fill: u8) -> bool {
    let page = [fill; PAGE_BYTES];
    bytes
        .chunks(PAGE_BYTES)
        .all(|chunk| chunk == page.get(..chunk.len()).unwrap_or_default())
}

/// Numbers without a pattern, the same in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % limit as u64) as usize
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for at in (1..items.len()).rev() {
            items.swap(at, self.below(at + 1));
        }
    }
}

#[test]
fn a_peak_is_given_back_with_the_second_trim() {
    let memory = Memory::new(64 * MIB);
    let mut blocks = Blocks::new(&memory);
    let small = take(&mut blocks, 1000, 1);
    let peak = take(&mut blocks, 40 * MIB, 2);
    give(&mut blocks, peak);
    blocks.trim();
    assert!(memory.resident() > 40 * MIB, "it was needed since the last trim");
    blocks.trim();
    assert!(memory.resident() < SLACK_BYTES, "{} bytes stay", memory.resident());
    give(&mut blocks, small);
}

#[test]
fn memory_that_every_request_needs_is_kept() {
    let memory = Memory::new(64 * MIB);
    let mut blocks = Blocks::new(&memory);
    let above = {
        let hole = take(&mut blocks, 20 * MIB, 1);
        let above = take(&mut blocks, 64, 2);
        give(&mut blocks, hole);
        above
    };
    for _ in 0..3 {
        for bytes in [15 * MIB, 30 * MIB] {
            let block = take(&mut blocks, bytes, 3);
            give(&mut blocks, block);
        }
        blocks.trim();
        assert!(memory.resident() > 40 * MIB, "{} bytes are left", memory.resident());
    }
    give(&mut blocks, above);
}

#[test]
fn a_million_small_boxes_freed_in_random_order_leave_nothing() {
    let memory = Memory::new(128 * MIB);
    let mut blocks = Blocks::new(&memory);
    let mut random = Random(7);
    let mut boxes: Vec<Block> = (0..1_000_000)
        .map(|at| take(&mut blocks, 16 + random.below(64), at as u8))
        .collect();
    random.shuffle(&mut boxes);
    for block in boxes {
        give(&mut blocks, block);
    }
    blocks.trim();
    blocks.trim();
    assert!(memory.resident() < SLACK_BYTES, "{} bytes stay", memory.resident());
}

#[test]
fn a_leak_above_the_peak_keeps_only_its_own_pages() {
    let memory = Memory::new(64 * MIB);
    let mut blocks = Blocks::new(&memory);
    let mut random = Random(11);
    let mut boxes: Vec<Block> = (0..300_000).map(|at| take(&mut blocks, 64, at as u8)).collect();
    let leaked = take(&mut blocks, 100, 5);
    random.shuffle(&mut boxes);
    for block in boxes {
        give(&mut blocks, block);
    }
    blocks.trim();
    blocks.trim();
    check(&leaked);
    assert!(memory.resident() < SLACK_BYTES, "{} bytes stay", memory.resident());
}

/// What stays of 32 MiB that were freed, when a small block was leaked after every `gap` bytes.
fn resident_with_leaks_every(gap: usize) -> usize {
    let memory = Memory::new(64 * MIB);
    let mut blocks = Blocks::new(&memory);
    let (mut leaked, mut freed) = (Vec::new(), Vec::new());
    for _ in 0..32 * MIB / gap {
        freed.push(take(&mut blocks, gap, 1));
        leaked.push(take(&mut blocks, 24, 9));
    }
    freed.into_iter().for_each(|block| give(&mut blocks, block));
    blocks.trim();
    blocks.trim();
    leaked.iter().for_each(check);
    memory.resident()
}

#[test]
fn leaks_keep_what_lies_between_them_only_when_it_is_small() {
    assert!(resident_with_leaks_every(1 << 20) < 2 * MIB);
    assert!(resident_with_leaks_every(100_000) < 16 * MIB);
    assert!(resident_with_leaks_every(BLOCK_BYTES_MIN / 2) > 31 * MIB);
}

#[test]
fn what_was_given_back_can_be_had_again_in_any_size() {
    let memory = Memory::new(64 * MIB);
    let mut blocks = Blocks::new(&memory);
    for bytes in [40 * MIB, 41 * MIB, 50 * MIB, 60 * MIB] {
        let block = take(&mut blocks, bytes, 1);
        give(&mut blocks, block);
    }
}

#[test]
fn zeroed_memory_is_zero_and_blocks_keep_their_bytes_over_thousands_of_trims() {
    let memory = Memory::new(32 * MIB);
    let mut blocks = Blocks::new(&memory);
    let mut random = Random(23);
    let mut held: Vec<Block> = Vec::new();
    for round in 0..2_000 {
        while held.len() < 40 && random.below(4) != 0 {
            let size_max = 16 << random.below(16);
            held.push(take(&mut blocks, 1 + random.below(size_max), round as u8));
        }
        let layout = Layout::from_size_align(1 + random.below(4 * MIB), 16).expect("a layout");
        // SAFETY: the size is not 0; what is had is looked at and given back with the same layout.
        unsafe {
            let zeroed = blocks.alloc_zeroed(layout);
            assert!(!zeroed.is_null());
            let bytes = core::slice::from_raw_parts_mut(zeroed, layout.size());
            assert!(is_filled(bytes, 0), "zeroed memory is not zero");
            bytes.fill(0xff);
            blocks.dealloc(zeroed, layout);
        }
        for _ in 0..random.below(held.len() + 1) {
            let at = random.below(held.len());
            give(&mut blocks, held.swap_remove(at));
        }
        blocks.trim();
        held.iter().for_each(check);
    }
    held.into_iter().for_each(|block| give(&mut blocks, block));
    assert_eq!(blocks.live, 0);
}

#[test]
fn a_full_arena_gives_null_and_can_be_trimmed() {
    let memory = Memory::new(4 * MIB);
    let mut blocks = Blocks::new(&memory);
    let mut held = Vec::new();
    let layout = Layout::from_size_align(10_000, 8).expect("a layout");
    loop {
        // SAFETY: the size is not 0.
        let pointer = unsafe { blocks.alloc(layout) };
        if pointer.is_null() {
            break;
        }
        held.push(pointer);
    }
    assert!(held.len() > 380);
    blocks.trim();
    for pointer in held {
        // SAFETY: had with this layout.
        unsafe { blocks.dealloc(pointer, layout) };
    }
    blocks.trim();
    blocks.trim();
    assert!(memory.resident() < SLACK_BYTES);
}
