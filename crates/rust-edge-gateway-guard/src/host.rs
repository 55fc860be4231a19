//! The functions lent to an image. They run inside its calls, on the slot's stack: an interrupt waits until they return, and
//! they allocate nothing.

use core::cell::UnsafeCell;
use core::ffi::c_void;
use core::mem::MaybeUninit;
use core::sync::atomic::AtomicU32;
use core::sync::atomic::Ordering::Relaxed;

use rust_edge_gateway_abi::{FaultKind, HostTable, ABI_VERSION};

use crate::image::Image;
use crate::leave;
use crate::mapping::Mapping;
use crate::thread::current_slot;
use crate::unwind::Walk;

/// Most thread-local keys of one image. A process has 1,024; the standard library takes two.
const KEYS_MAX: usize = 16;
/// Most descriptors one image may have open.
const DESCRIPTORS_MAX: usize = 1024;
/// As many an image may have open before it is to blame when the process runs short of them.
const DESCRIPTORS_FAIR: usize = 64;

/// What an image owns outside its memory. Recorded here, so that it can be given back after any fault.
pub struct Belongings(UnsafeCell<Lists>);

struct Lists {
    keys: Vec<u32>,
    descriptors: Vec<Descriptor>,
}

/// An open descriptor, with what it referred to: another one may have its number by the time it is closed.
struct Descriptor {
    number: i32,
    file: FileIdentity,
}

type FileIdentity = (u64, u64);

impl Belongings {
    /// Empty lists, with all the room they will ever have: pushing to them never allocates.
    pub fn new() -> Belongings {
        let keys = Vec::with_capacity(KEYS_MAX);
        let descriptors = Vec::with_capacity(DESCRIPTORS_MAX);
        Belongings(UnsafeCell::new(Lists { keys, descriptors }))
    }

    /// Deletes the keys and closes the descriptors.
    pub fn give_back(self) {
        let Lists { keys, descriptors } = self.0.into_inner();
        for key in keys {
            // SAFETY: made by `key_create`, without a destructor: libc never calls into the image because of it.
            unsafe { libc::pthread_key_delete(key) };
        }
        for descriptor in descriptors
            .iter()
            .filter(|owned| identity(owned.number) == Some(owned.file))
        {
            // SAFETY: opened by the image and still the same file.
            unsafe { libc::close(descriptor.number) };
        }
    }

    /// # Safety
    /// One function of this file at a time, on the image's thread, and the result does not outlive it.
    #[expect(clippy::mut_from_ref, reason = "the cell is what makes it sound, see above")]
    unsafe fn lists(&self) -> &mut Lists {
        // SAFETY: see above.
        unsafe { &mut *self.0.get() }
    }
}

/// The table for an image with its heap in `arena`; where the image is has to be filled in.
pub fn table(arena: &Mapping) -> HostTable {
    HostTable {
        version: ABI_VERSION,
        size: size_of::<HostTable>() as u32,
        arena: arena.as_ptr(),
        arena_len: arena.len(),
        image: core::ptr::null_mut(),
        key_create,
        fd_opened,
        fd_close,
        fault,
        log,
        hold: AtomicU32::new(0),
        trace,
        release,
    }
}

/// # Safety
/// `image` is what the table holds, handed back by code of that image, which is gone only after its last call.
unsafe fn image_at<'a>(image: *mut c_void) -> &'a Image {
    // SAFETY: see above; while a call runs the guard has only shared references to the image.
    unsafe { &*image.cast::<Image>() }
}

/// Makes interrupts wait. Puts back what was there, for the image may have raised it itself.
struct Hold<'a> {
    hold: &'a AtomicU32,
    before: u32,
}

impl<'a> Hold<'a> {
    fn raise(image: &'a Image) -> Hold<'a> {
        let hold = &image.table().hold;
        Hold {
            hold,
            before: hold.swap(1, Relaxed),
        }
    }
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        self.hold.store(self.before, Relaxed);
    }
}

unsafe extern "C" fn key_create(image: *mut c_void, key: *mut u32) -> i32 {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let _hold = Hold::raise(image);
    // SAFETY: as above; the reference ends with this function.
    let keys = &mut unsafe { image.belongings().lists() }.keys;
    if keys.len() == KEYS_MAX {
        return libc::EAGAIN;
    }
    // SAFETY: without a destructor, and the image gives a place for the key.
    let status = unsafe { libc::pthread_key_create(key, None) };
    if status == 0 {
        // SAFETY: libc has just written it.
        keys.push(unsafe { *key });
    }
    status
}

unsafe extern "C" fn fd_opened(image: *mut c_void, fd: i32) -> i32 {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let hold = Hold::raise(image);
    // SAFETY: as above; the reference is not used after `leave_call`.
    let descriptors = &mut unsafe { image.belongings().lists() }.descriptors;
    let Some(file) = identity(fd) else { return 0 };
    let verdict = judge_descriptor(fd, descriptors.len());
    if verdict == Verdict::Keep {
        descriptors.push(Descriptor { number: fd, file });
        return 0;
    }
    // SAFETY: the image has just opened it, and does not get it.
    unsafe { libc::close(fd) };
    if verdict == Verdict::Refuse {
        return libc::EMFILE;
    }
    drop(hold);
    leave_call(image, FaultKind::SystemCall, libc::EMFILE)
}

#[derive(PartialEq, Eq)]
enum Verdict {
    Keep,
    /// An error the handler sees.
    Refuse,
    /// The image leaks: it ends here, and gives back what it has.
    Leave,
}

/// A process whose handlers use up its descriptors accepts no connection any more. So an image that has many open may
/// not go on when half of all are in use, which leaves a quarter to images with few; the last quarter is out of their
/// reach too. The system gives the lowest number that is free: a high one says that all below are in use.
fn judge_descriptor(fd: i32, held: usize) -> Verdict {
    let quarters_used = |quarters: u64| {
        let in_use = u64::try_from(fd).unwrap_or(0);
        in_use >= descriptors_of_process() / 4 * quarters
    };
    if held >= DESCRIPTORS_MAX || (held >= DESCRIPTORS_FAIR && quarters_used(2)) {
        Verdict::Leave
    } else if quarters_used(3) {
        Verdict::Refuse
    } else {
        Verdict::Keep
    }
}

fn descriptors_of_process() -> u64 {
    let mut limit = libc::rlimit {
        rlim_cur: 0,
        rlim_max: 0,
    };
    // SAFETY: `getrlimit` fills `limit`.
    if unsafe { libc::getrlimit(libc::RLIMIT_NOFILE, &mut limit) } == 0 {
        limit.rlim_cur
    } else {
        u64::MAX
    }
}

unsafe extern "C" fn fd_close(image: *mut c_void, fd: i32, really: i32) -> i32 {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let _hold = Hold::raise(image);
    // SAFETY: as above; the reference ends with this function.
    let descriptors = &mut unsafe { image.belongings().lists() }.descriptors;
    let Some(index) = descriptors.iter().position(|owned| owned.number == fd) else {
        // SAFETY: errno of this thread is always there.
        unsafe { *libc::__errno_location() = libc::EBADF };
        return -1;
    };
    descriptors.swap_remove(index);
    if really == 0 {
        return 0;
    }
    // SAFETY: the image opened it.
    unsafe { libc::close(fd) }
}

unsafe extern "C" fn fault(image: *mut c_void, kind: i32, code: i32) -> ! {
    // SAFETY: called by the image, on its thread.
    leave_call(unsafe { image_at(image) }, fault_kind(kind), code)
}

unsafe extern "C" fn log(image: *mut c_void, level: u32, text: *const u8, len: usize) {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let _hold = Hold::raise(image);
    // SAFETY: the image says that `text` has `len` bytes.
    unsafe { image.slot().log.append(level, text, len) };
}

unsafe extern "C" fn trace(image: *mut c_void, offsets: *mut u64, capacity: usize) -> usize {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let _hold = Hold::raise(image);
    let trace = &image.slot().trace;
    Walk::trace_here(image.slot());
    let len = trace.offsets().len().min(capacity);
    for (at, offset) in trace.offsets().take(len).enumerate() {
        // SAFETY: the image says that there is room for `capacity`; any alignment will do.
        unsafe { offsets.add(at).write_unaligned(offset) };
    }
    len
}

unsafe extern "C" fn release(image: *mut c_void, start: *mut u8, len: usize) -> i32 {
    // SAFETY: called by the image, on its thread.
    let image = unsafe { image_at(image) };
    let _hold = Hold::raise(image);
    let start = start as usize;
    image.arena().release(start..start.saturating_add(len))
}

fn leave_call(image: &Image, kind: FaultKind, code: i32) -> ! {
    let slot = image.slot();
    if !slot.in_call() || current_slot().is_none_or(|own| !core::ptr::eq(own, slot)) {
        // There is no call to leave: library code ran while it was opened or closed, or on a thread it should not have.
        // SAFETY: ends the process.
        unsafe { libc::abort() }
    }
    // Not lowered again: the image does not go on.
    let _hold = Hold::raise(image);
    Walk::trace_here(slot);
    let mut fault = slot.new_fault(kind);
    fault.code = code;
    // SAFETY: a call of this slot runs on this thread, and the image called the function that called this one.
    unsafe { leave::at_once(slot, fault) }
}

fn fault_kind(kind: i32) -> FaultKind {
    let kinds = [
        FaultKind::Memory,
        FaultKind::StackOverflow,
        FaultKind::IllegalInstruction,
        FaultKind::Arithmetic,
        FaultKind::Abort,
        FaultKind::Interrupted,
        FaultKind::SystemCall,
        FaultKind::Exit,
        FaultKind::OutOfMemory,
    ];
    kinds
        .into_iter()
        .find(|&known| known as i32 == kind)
        .unwrap_or(FaultKind::Abort)
}

fn identity(fd: i32) -> Option<FileIdentity> {
    let mut status = MaybeUninit::<libc::stat>::zeroed();
    // SAFETY: `fstat` fills `status` when it gives 0; zeroes would be valid too.
    let status = unsafe { (libc::fstat(fd, status.as_mut_ptr()) == 0).then(|| status.assume_init()) }?;
    Some((status.st_dev, status.st_ino))
}
