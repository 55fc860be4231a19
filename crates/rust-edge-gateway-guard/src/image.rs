//! Images: bound, called, taken away.

use core::ffi::CStr;
use core::ptr;

use rust_edge_gateway_abi::{EntryPoint, FaultKind, HostTable, ABI_VERSION};

use crate::host::{self, Belongings};
use crate::image_table as images;
use crate::library::{code_around, Code, Library, LibraryError};
use crate::mapping::{Mapping, RED_ZONE_BYTES};
use crate::report::Fault;
use crate::slot::Slot;
use crate::switch::{guard_switch, CALL_FAULTED};
use crate::thread;

const ENTRY_INIT: usize = 0;
const ENTRY_END: usize = 5;

/// The result of [`unbind`] has this bit when a destructor faulted; those after it were not run.
const DESTRUCTOR_FAULTED: i32 = 1;
/// … when the library is still mapped.
const STILL_MAPPED: i32 = 2;
/// … when the fault of a destructor is suspect.
const SUSPECT: i32 = 4;

/// Why an image could not be bound.
pub enum BindError {
    Library(LibraryError),
    OutOfAddressSpace,
    /// `handler_init` gave another answer than the version, or faulted.
    Init(Fault),
    TooManyImages,
}

impl BindError {
    /// The number the gateway knows it by.
    pub fn code(&self) -> i32 {
        match self {
            BindError::Library(LibraryError::Open(_)) => -1,
            BindError::Library(LibraryError::SymbolMissing(_)) => -2,
            BindError::OutOfAddressSpace => -3,
            BindError::Init(_) => -4,
            BindError::TooManyImages => -5,
            BindError::Library(LibraryError::AbiMismatch(_)) => -6,
        }
    }

    pub fn message(&self) -> &str {
        match self {
            BindError::Library(
                LibraryError::Open(message) | LibraryError::SymbolMissing(message) | LibraryError::AbiMismatch(message),
            ) => message,
            BindError::OutOfAddressSpace => "there is no address space for the heap of another image",
            BindError::Init(fault) if fault.is_fault() => "handler_init faulted",
            BindError::Init(_) => "handler_init did not answer with the version of its ABI",
            BindError::TooManyImages => "this process has as many images as it can hold",
        }
    }

    /// What the report says of the fault, if one was the reason.
    pub fn fault(&self) -> Fault {
        if let BindError::Init(fault) = self {
            *fault
        } else {
            Fault::default()
        }
    }
}

/// Memory a call reads its input from and writes its output to, as the C interface gives it.
pub struct Buffers {
    pub input: *const u8,
    pub input_len: usize,
    pub output: *mut u8,
    pub output_cap: usize,
}

impl Buffers {
    const NONE: Buffers = Buffers {
        input: ptr::null(),
        input_len: 0,
        output: ptr::null_mut(),
        output_cap: 0,
    };
}

/// One private copy of a handler library with all that belongs to it.
pub struct Image {
    slot: &'static Slot,
    library: Library,
    entry_points: Vec<Option<EntryPoint>>,
    code: Code,
    arena: Mapping,
    table: HostTable,
    belongings: Belongings,
}

impl Image {
    pub fn slot(&self) -> &'static Slot {
        self.slot
    }

    pub fn table(&self) -> &HostTable {
        &self.table
    }

    pub fn belongings(&self) -> &Belongings {
        &self.belongings
    }

    pub fn arena(&self) -> &Mapping {
        &self.arena
    }

    /// Opens the library at `path`. Nothing of it has run yet.
    fn open(slot: &'static Slot, path: &CStr, arena_bytes: usize) -> Result<Box<Image>, BindError> {
        let library = Library::open(path).map_err(BindError::Library)?;
        let entry_points = library.entry_points().map_err(BindError::Library)?;
        let code = code_around(entry_points.iter().flatten().next().map_or(0, |entry| *entry as usize));
        let arena = Mapping::new(RED_ZONE_BYTES, arena_bytes, RED_ZONE_BYTES).ok_or(BindError::OutOfAddressSpace)?;
        arena.use_small_pages();
        let table = host::table(&arena);
        let belongings = Belongings::new();
        Ok(Box::new(Image {
            slot,
            library,
            entry_points,
            code,
            arena,
            table,
            belongings,
        }))
    }

    /// Runs `handler_init`. The error is a fault of kind 0 when it answered, but not with the version.
    ///
    /// # Safety
    /// As [`Image::call`]; the table names the image.
    unsafe fn probe(&self, limit_ms: u32) -> Result<(), Fault> {
        let input = (&raw const self.table).cast();
        let buffers = Buffers {
            input,
            input_len: size_of::<HostTable>(),
            ..Buffers::NONE
        };
        // SAFETY: passes on the caller's promise; the table outlives the call.
        let answer = unsafe { self.call(ENTRY_INIT, &buffers, limit_ms) }?;
        if answer == i64::from(ABI_VERSION) {
            Ok(())
        } else {
            Err(Fault::default())
        }
    }

    /// Calls entry point number `entry` on the slot's stack; 0 when the library may lack it and does. After a fault nothing
    /// of the image may run any more.
    ///
    /// # Safety
    /// On the slot's thread, outside of any call; `buffers` are valid for what the entry point does with them.
    pub unsafe fn call(&self, entry: usize, buffers: &Buffers, limit_ms: u32) -> Result<i64, Fault> {
        let slot = self.slot;
        let Some(&known) = self.entry_points.get(entry) else {
            slot.trace.clear();
            return Err(slot.new_fault(FaultKind::Abort));
        };
        let Some(entry_point) = known else { return Ok(0) };
        slot.text.set(self.code.text);
        slot.library_base.set(self.code.base);
        slot.hold.set(&self.table.hold);
        slot.begin_call(limit_ms);
        let Buffers {
            input,
            input_len,
            output,
            output_cap,
        } = *buffers;
        let arguments = [input as usize, input_len, output as usize, output_cap];
        // SAFETY: the stack is this thread's and unused, for no call runs; the entry point has the shape of the ABI.
        let result = unsafe { guard_switch(&slot.host_sp, slot.stack.get().end, entry_point, arguments.as_ptr()) };
        slot.end_call();
        if result != CALL_FAULTED {
            return Ok(result);
        }
        thread::restore_after_fault();
        Err(slot.fault.take().unwrap_or_else(|| {
            // An image that returns this number itself breaks the ABI, which is a fault of its own making.
            slot.trace.clear();
            slot.new_fault(FaultKind::Abort)
        }))
    }

    /// Gives everything back; `false` when the library is still mapped.
    fn unload(self: Box<Image>) -> bool {
        let Image {
            library,
            code,
            arena,
            belongings,
            ..
        } = *self;
        belongings.give_back();
        let unmapped = library.close(&code);
        drop(arena);
        unmapped
    }
}

/// Binds the private copy at `path` to `slot`, with a heap of `arena_bytes`, and runs its `handler_init` as a probe: the
/// image's number.
///
/// # Safety
/// On the slot's thread, outside of any call.
pub unsafe fn bind(slot: &'static Slot, path: &CStr, arena_bytes: usize, limit_ms: u32) -> Result<i32, BindError> {
    let image = Image::open(slot, path, arena_bytes)?;
    let Ok((number, image)) = images::insert(image) else {
        return Err(BindError::TooManyImages);
    };
    // SAFETY: the image is this thread's and stays where it is until it is taken out below or by `unbind`.
    let probed = unsafe {
        (*image).table.image = image.cast();
        (*image).probe(limit_ms)
    };
    let Err(mut fault) = probed else { return Ok(number) };
    if !images::take(number, slot).is_some_and(|image| image.unload()) {
        fault.set_suspect();
    }
    Err(BindError::Init(fault))
}

/// Takes an image away: bits of what went wrong, or `None` when the slot has no such image. With `clean_ms` it runs the
/// image's thread-local destructors first, for at most that long; 0 runs none of its code.
///
/// # Safety
/// On the slot's thread, outside of any call.
pub unsafe fn unbind(slot: &'static Slot, number: i32, clean_ms: u32) -> Option<i32> {
    let mut bits = 0;
    if clean_ms > 0 {
        // SAFETY: on the image's thread; the reference is gone before the image is.
        let ended = unsafe { images::find(number, slot)?.call(ENTRY_END, &Buffers::NONE, clean_ms) };
        if let Err(fault) = ended {
            bits |= DESTRUCTOR_FAULTED | if fault.is_suspect() { SUSPECT } else { 0 };
        }
    }
    let unmapped = images::take(number, slot)?.unload();
    Some(bits | if unmapped { 0 } else { STILL_MAPPED })
}

/// Takes all images of a slot away, without running their code.
pub fn unbind_all(slot: &'static Slot) {
    for image in images::take_all(slot) {
        image.unload();
    }
}
