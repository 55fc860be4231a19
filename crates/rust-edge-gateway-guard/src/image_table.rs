//! The images of the process by number. Any thread may ask for one; only the thread it is bound to gets it. What memory
//! their heaps occupy is told to any thread.

use core::ptr;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{fence, AtomicI32, AtomicPtr, AtomicUsize};

use crate::image::Image;
use crate::mapping::{resident_bytes, Span};
use crate::slot::Slot;

/// Most images of one process; it runs out of thread-local keys earlier.
const IMAGES_MAX: usize = 4096;

static PLACES: [Place; IMAGES_MAX] = [const { Place::new() }; IMAGES_MAX];
static COUNT: AtomicI32 = AtomicI32::new(0);
/// Places that were ever in use are the first so many.
static PLACES_USED: AtomicUsize = AtomicUsize::new(0);

/// Room for one image. `owner`, the slot, is set first and cleared last: who finds its own slot there finds its own image.
struct Place {
    owner: AtomicPtr<Slot>,
    image: AtomicPtr<Image>,
    heap: Heap,
}

/// Where the heap of a place's image is, for threads that must not touch the image: it may go at any moment. A sequence
/// lock, so that whoever looks never keeps the image's thread waiting: `changes` is odd while the span is being written,
/// and another number once it has been.
struct Heap {
    changes: AtomicUsize,
    start: AtomicUsize,
    end: AtomicUsize,
}

impl Heap {
    const fn new() -> Heap {
        Heap {
            changes: AtomicUsize::new(0),
            start: AtomicUsize::new(0),
            end: AtomicUsize::new(0),
        }
    }

    /// Only the thread of the slot that has the place writes.
    fn set(&self, span: Span) {
        let changes = self.changes.load(Relaxed);
        self.changes.store(changes + 1, Relaxed);
        fence(Release);
        self.start.store(span.start, Relaxed);
        self.end.store(span.end, Relaxed);
        self.changes.store(changes + 2, Release);
    }

    /// What `look` finds in the span; `None` when it was changed meanwhile: that may be of something else.
    fn look<R>(&self, look: impl FnOnce(Span) -> R) -> Option<R> {
        let before = self.changes.load(Acquire);
        let span = Span {
            start: self.start.load(Relaxed),
            end: self.end.load(Relaxed),
        };
        if before % 2 != 0 || !self.is_unchanged_since(before) {
            return None;
        }
        let found = look(span);
        self.is_unchanged_since(before).then_some(found)
    }

    fn is_unchanged_since(&self, before: usize) -> bool {
        fence(Acquire);
        self.changes.load(Relaxed) == before
    }
}

/// Memory of heaps, in bytes.
#[derive(Clone, Copy, Default)]
pub struct HeapBytes {
    /// What they occupy.
    pub resident: usize,
    /// What they may occupy at most.
    pub limit: usize,
}

impl Place {
    const fn new() -> Place {
        Place {
            owner: AtomicPtr::new(ptr::null_mut()),
            image: AtomicPtr::new(ptr::null_mut()),
            heap: Heap::new(),
        }
    }

    fn reserve(&self, slot: &Slot) -> bool {
        self.owner
            .compare_exchange(ptr::null_mut(), key(slot), AcqRel, Relaxed)
            .is_ok()
    }

    fn belongs_to(&self, slot: &Slot) -> bool {
        ptr::eq(self.owner.load(Acquire), slot)
    }

    fn empty(&self) -> Option<Box<Image>> {
        self.heap.set(Span::EMPTY);
        let image = self.image.swap(ptr::null_mut(), AcqRel);
        self.owner.store(ptr::null_mut(), Release);
        if image.is_null() {
            return None;
        }
        COUNT.fetch_sub(1, Relaxed);
        // SAFETY: came out of a box in `insert`, and out of the table only here.
        Some(unsafe { Box::from_raw(image) })
    }
}

fn key(slot: &Slot) -> *mut Slot {
    ptr::from_ref(slot).cast_mut()
}

/// Keeps `image`, which stays where it is until it is taken out: its number and address. Gives it back when there is no room.
pub fn insert(image: Box<Image>) -> Result<(i32, *mut Image), Box<Image>> {
    let slot = image.slot();
    let Some(number) = PLACES.iter().position(|place| place.reserve(slot)) else {
        return Err(image);
    };
    PLACES_USED.fetch_max(number + 1, AcqRel);
    PLACES[number].heap.set(image.arena().usable().into());
    let image = Box::into_raw(image);
    PLACES[number].image.store(image, Release);
    COUNT.fetch_add(1, Relaxed);
    Ok((number as i32, image))
}

/// An image of `slot`.
///
/// # Safety
/// On the slot's thread; the reference is not used once the image is taken out.
pub unsafe fn find<'a>(number: i32, slot: &Slot) -> Option<&'a Image> {
    let place = place_of(number, slot)?;
    // SAFETY: only the slot's thread takes its images out, and it is here.
    unsafe { place.image.load(Acquire).as_ref() }
}

/// Takes an image of `slot` out. On the slot's thread.
pub fn take(number: i32, slot: &Slot) -> Option<Box<Image>> {
    place_of(number, slot)?.empty()
}

/// Takes all images of `slot` out. On the slot's thread.
pub fn take_all(slot: &Slot) -> impl Iterator<Item = Box<Image>> + '_ {
    PLACES
        .iter()
        .filter(|place| place.belongs_to(slot))
        .filter_map(Place::empty)
}

/// What the heaps of the images of `slot` occupy. Any thread. An image that comes or goes at this moment does not count; but
/// one of another slot does that takes the place of one that has just gone.
pub fn heap_bytes(slot: &Slot) -> HeapBytes {
    let measure = |span: Span| HeapBytes {
        resident: resident_bytes(span),
        limit: span.end - span.start,
    };
    let places = PLACES.get(..PLACES_USED.load(Acquire)).unwrap_or(&PLACES);
    places
        .iter()
        .filter(|place| place.belongs_to(slot))
        .filter_map(|place| place.heap.look(measure))
        .fold(HeapBytes::default(), |sum, heap| HeapBytes {
            resident: sum.resident + heap.resident,
            limit: sum.limit + heap.limit,
        })
}

/// Images of the process.
pub fn count() -> i32 {
    COUNT.load(Relaxed)
}

fn place_of(number: i32, slot: &Slot) -> Option<&'static Place> {
    PLACES
        .get(usize::try_from(number).ok()?)
        .filter(|place| place.belongs_to(slot))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use super::*;

    #[test]
    fn whoever_looks_at_a_heap_that_changes_sees_one_that_was() {
        let heap = Heap::new();
        let is_over = AtomicBool::new(false);
        thread::scope(|scope| {
            scope.spawn(|| {
                for at in 1..=200_000 {
                    heap.set(Span { start: at, end: at * 3 });
                    heap.set(Span::EMPTY);
                }
                is_over.store(true, Release);
            });
            while !is_over.load(Acquire) {
                let seen = heap.look(|span| (span.start, span.end));
                assert!(seen.is_none_or(|(start, end)| end == start * 3), "{seen:?}");
            }
        });
        assert_eq!(heap.look(|span| span.end), Some(0));
    }

    #[test]
    fn what_was_found_while_the_heap_changed_does_not_count() {
        let heap = Heap::new();
        assert_eq!(heap.look(|_| heap.set(Span { start: 1, end: 2 })), None);
        assert_eq!(heap.look(|span| span.end), Some(2));
    }
}
