//! A private copy of a handler library, opened.

use core::ffi::{c_void, CStr};
use core::mem::{transmute, zeroed};
use core::ptr;
use std::ffi::CString;

use libc::{dl_phdr_info, Dl_info, PF_X, PT_LOAD, RTLD_LOCAL, RTLD_NOLOAD, RTLD_NOW};
use rust_edge_gateway_abi::{EntryPoint, ABI_SYMBOL, ABI_VERSION, ENTRY_POINTS, OPTIONAL_ENTRY_POINTS};

use crate::mapping::Span;

/// Why a library cannot serve.
pub enum LibraryError {
    Open(String),
    SymbolMissing(String),
    AbiMismatch(String),
}

/// An open library; closed on drop.
pub struct Library {
    handle: *mut c_void,
    path: CString,
}

impl Library {
    /// Opens the library at `path`. Its version is read before anything of it is called (constructors are refused when a
    /// handler is built).
    pub fn open(path: &CStr) -> Result<Library, LibraryError> {
        // The dynamic linker would give an image that is already bound: it knows libraries by path and by inode.
        // SAFETY: the path ends in a NUL.
        let present = unsafe { libc::dlopen(path.as_ptr(), RTLD_NOW | RTLD_NOLOAD) };
        if !present.is_null() {
            // SAFETY: opened just above.
            unsafe { libc::dlclose(present) };
            return Err(LibraryError::Open(format!(
                "{}: an image of this file is bound already",
                path.to_string_lossy()
            )));
        }
        // SAFETY: the path ends in a NUL.
        let handle = unsafe { libc::dlopen(path.as_ptr(), RTLD_NOW | RTLD_LOCAL) };
        if handle.is_null() {
            return Err(LibraryError::Open(last_error()));
        }
        let library = Library {
            handle,
            path: path.to_owned(),
        };
        library.check_version()?;
        Ok(library)
    }

    fn check_version(&self) -> Result<(), LibraryError> {
        let symbol = self.symbol(ABI_SYMBOL).ok_or_else(|| {
            LibraryError::SymbolMissing(format!(
                "the library has no {ABI_SYMBOL}; it was not built as a handler"
            ))
        })?;
        // SAFETY: the ABI says that this symbol is a u32; whatever it is, four bytes there can be read.
        let version = unsafe { symbol.cast::<u32>().read_unaligned() };
        if version == ABI_VERSION {
            return Ok(());
        }
        Err(LibraryError::AbiMismatch(format!(
            "the library has ABI version {version}, this gateway needs version {ABI_VERSION}; compile the endpoint again"
        )))
    }

    /// The entry points, in the order they are numbered; `None`: one that a library may have, and this one has not.
    pub fn entry_points(&self) -> Result<Vec<Option<EntryPoint>>, LibraryError> {
        let needed = ENTRY_POINTS.iter().map(|name| self.needed_entry_point(name).map(Some));
        let optional = OPTIONAL_ENTRY_POINTS.iter().map(|name| Ok(self.entry_point(name)));
        needed.chain(optional).collect()
    }

    fn needed_entry_point(&self, name: &str) -> Result<EntryPoint, LibraryError> {
        self.entry_point(name).ok_or_else(|| {
            LibraryError::SymbolMissing(format!(
                "the library has no {name}; is there a function with #[handler]?"
            ))
        })
    }

    fn entry_point(&self, name: &str) -> Option<EntryPoint> {
        let symbol = self.symbol(name)?;
        // SAFETY: not null; the ABI, whose version was checked, says what it points to.
        Some(unsafe { transmute::<*mut c_void, EntryPoint>(symbol) })
    }

    fn symbol(&self, name: &str) -> Option<*mut c_void> {
        let name = CString::new(name).ok()?;
        // SAFETY: the handle is open, the name ends in a NUL.
        let symbol = unsafe { libc::dlsym(self.handle, name.as_ptr()) };
        (!symbol.is_null()).then_some(symbol)
    }

    /// Closes the library; `false` when its `code` is still mapped afterwards.
    pub fn close(mut self, code: &Code) -> bool {
        self.close_handle();
        // SAFETY: zeroes are a valid `Dl_info`; `dladdr` takes any address.
        unsafe {
            let mut found: Dl_info = zeroed();
            let mapped = libc::dladdr(code.text.start as *const c_void, &mut found) != 0;
            // Another library may have come to lie there since; its name is another.
            !(mapped && !found.dli_fname.is_null() && CStr::from_ptr(found.dli_fname) == self.path.as_c_str())
        }
    }

    fn close_handle(&mut self) {
        if !self.handle.is_null() {
            // SAFETY: opened by `open`, closed once.
            unsafe { libc::dlclose(self.handle) };
            self.handle = ptr::null_mut();
        }
    }
}

impl Drop for Library {
    fn drop(&mut self) {
        self.close_handle();
    }
}

fn last_error() -> String {
    // SAFETY: the text stays valid until this thread's next call of a dl function.
    unsafe {
        let text = libc::dlerror();
        if text.is_null() {
            return "the library cannot be opened".into();
        }
        CStr::from_ptr(text).to_string_lossy().into_owned()
    }
}

/// Where a library's code lies.
#[derive(Clone, Copy)]
pub struct Code {
    /// Executable addresses.
    pub text: Span,
    /// Address the library's offsets count from.
    pub base: usize,
}

/// The code around `address`; empty when no library is there.
pub fn code_around(address: usize) -> Code {
    let mut search = Search {
        address,
        found: Code {
            text: Span::EMPTY,
            base: 0,
        },
    };
    // SAFETY: the callback gets `search` as its argument and uses it only during this call.
    unsafe { libc::dl_iterate_phdr(Some(look_into), (&raw mut search).cast()) };
    search.found
}

struct Search {
    address: usize,
    found: Code,
}

unsafe extern "C" fn look_into(library: *mut dl_phdr_info, _size: usize, search: *mut c_void) -> i32 {
    // SAFETY: the dynamic linker gives a valid description, and the argument given to it.
    let (library, search) = unsafe { (&*library, &mut *search.cast::<Search>()) };
    // SAFETY: the description says where its headers are and how many.
    let headers = unsafe { core::slice::from_raw_parts(library.dlpi_phdr, library.dlpi_phnum.into()) };
    let base = library.dlpi_addr as usize;
    let executable = headers
        .iter()
        .filter(|header| header.p_type == PT_LOAD && header.p_flags & PF_X != 0);
    for header in executable {
        let start = base + header.p_vaddr as usize;
        let text = Span {
            start,
            end: start + header.p_memsz as usize,
        };
        if text.contains(search.address) {
            search.found = Code { text, base };
            return 1;
        }
    }
    0
}
