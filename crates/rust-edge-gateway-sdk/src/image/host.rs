//! The host's table, as the image uses it.

use core::ffi::c_void;
use core::mem::size_of;
use core::ptr::null_mut;
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use rust_edge_gateway_abi::{FaultKind, HostTable, LogLevel, ABI_VERSION, TRACE_FRAMES_MAX};

static TABLE: AtomicPtr<HostTable> = AtomicPtr::new(null_mut());

/// The table given to `handler_init`; `None` before, and in every binary that is not an image.
pub(crate) fn table() -> Option<Host> {
    // SAFETY: `connect` stored a pointer that stays valid until the image is gone.
    unsafe { TABLE.load(Relaxed).as_ref() }.map(Host)
}

/// Takes the table the host gives; `false` when it is of another version.
///
/// # Safety
/// `input` holds `len` bytes; when these are a table of this version, it stays valid until the image is gone.
pub(crate) unsafe fn connect(input: *const u8, len: usize) -> bool {
    if input.is_null() || len < size_of::<HostTable>() {
        return false;
    }
    let table = input.cast::<HostTable>();
    // SAFETY: the caller's bytes are at least a table's, and every version begins with `version` and `size`.
    let (version, size) = unsafe { ((*table).version, (*table).size) };
    if version != ABI_VERSION || (size as usize) < size_of::<HostTable>() {
        return false;
    }
    TABLE.store(table.cast_mut(), Relaxed);
    true
}

/// What the host lends to this image.
#[derive(Clone, Copy)]
pub(crate) struct Host(&'static HostTable);

impl Host {
    /// The image's whole heap: where it begins, and its bytes.
    pub fn arena(self) -> (*mut u8, usize) {
        (self.0.arena, self.0.arena_len)
    }

    /// Creates a thread-local key that the host deletes with the image; the error is an errno.
    pub fn create_key(self) -> Result<u32, i32> {
        let mut key = 0;
        // SAFETY: the host's functions take the `image` of the table they stand in, and the key has room for a key.
        match unsafe { (self.0.key_create)(self.image(), &mut key) } {
            0 => Ok(key),
            error => Err(error),
        }
    }

    /// Has the host record a descriptor, to be closed with the image. An errno when it was closed instead, or 0.
    pub fn record_descriptor(self, fd: i32) -> i32 {
        // SAFETY: as in `create_key`.
        unsafe { (self.0.fd_opened)(self.image(), fd) }
    }

    /// Closes a descriptor this image has opened; -1 and `EBADF` for any other.
    pub fn close_descriptor(self, fd: i32) -> i32 {
        // SAFETY: as in `create_key`.
        unsafe { (self.0.fd_close)(self.image(), fd, 1) }
    }

    /// Has the host forget a descriptor that somebody else closes.
    pub fn forget_descriptor(self, fd: i32) -> i32 {
        // SAFETY: as in `create_key`.
        unsafe { (self.0.fd_close)(self.image(), fd, 0) }
    }

    /// Leaves the running call at once, as a fault.
    pub fn fault(self, kind: FaultKind, code: i32) -> ! {
        // SAFETY: as in `create_key`. No code of the image runs afterwards, so nothing needs to be unwound.
        unsafe { (self.0.fault)(self.image(), kind as i32, code) }
    }

    /// Where the running call is: its frames in this image, innermost first, as offsets in the library.
    pub fn trace(self) -> Vec<u64> {
        let mut offsets = [0; TRACE_FRAMES_MAX];
        // SAFETY: as in `create_key`; the array has room for so many.
        let len = unsafe { (self.0.trace)(self.image(), offsets.as_mut_ptr(), offsets.len()) };
        offsets[..len].to_vec()
    }

    /// Gives whole pages among `len` bytes of the arena from `start` on back to the system.
    pub fn release(self, start: *mut u8, len: usize) {
        // SAFETY: as in `create_key`; the host refuses what is not of the arena. An error says that nothing has changed.
        unsafe { (self.0.release)(self.image(), start, len) };
    }

    /// Records a log line.
    pub fn log(self, level: LogLevel, line: &[u8]) {
        // SAFETY: as in `create_key`; the line is only read during the call.
        unsafe { (self.0.log)(self.image(), level as u32, line.as_ptr(), line.len()) }
    }

    /// Does `work` with interrupts held back: between making a descriptor and recording it a call must not be left.
    pub fn held<R>(self, work: impl FnOnce() -> R) -> R {
        let before = self.0.hold.swap(1, Relaxed);
        let result = work();
        self.0.hold.store(before, Relaxed);
        result
    }

    fn image(self) -> *mut c_void {
        self.0.image
    }
}
