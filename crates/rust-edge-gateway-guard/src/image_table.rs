//! The images of the process by number. Any thread may ask for one; only the thread it is bound to gets it.

use core::ptr;
use core::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release};
use core::sync::atomic::{AtomicI32, AtomicPtr};

use crate::image::Image;
use crate::slot::Slot;

/// Most images of one process; it runs out of thread-local keys earlier.
const IMAGES_MAX: usize = 4096;

static PLACES: [Place; IMAGES_MAX] = [const { Place::new() }; IMAGES_MAX];
static COUNT: AtomicI32 = AtomicI32::new(0);

/// Room for one image. `owner`, the slot, is set first and cleared last: who finds its own slot there finds its own image.
struct Place {
    owner: AtomicPtr<Slot>,
    image: AtomicPtr<Image>,
}

impl Place {
    const fn new() -> Place {
        Place {
            owner: AtomicPtr::new(ptr::null_mut()),
            image: AtomicPtr::new(ptr::null_mut()),
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

/// Images of the process.
pub fn count() -> i32 {
    COUNT.load(Relaxed)
}

fn place_of(number: i32, slot: &Slot) -> Option<&'static Place> {
    PLACES
        .get(usize::try_from(number).ok()?)
        .filter(|place| place.belongs_to(slot))
}
