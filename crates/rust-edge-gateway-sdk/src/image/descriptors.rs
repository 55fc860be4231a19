//! Functions of libc that make or close descriptors: the host records each, and closes what the image leaves open.

use core::ffi::{c_char, c_int, c_long, c_uint, c_void};
use core::sync::atomic::{AtomicPtr, Ordering::Relaxed};

use libc::{mode_t, sockaddr, socklen_t, DIR, FILE};

use super::overrides::{host, refuse, set_errno};

/// A function of libc that this image hides from itself.
struct Hidden {
    name: &'static core::ffi::CStr,
    address: AtomicPtr<c_void>,
}

impl Hidden {
    const fn new(name: &'static core::ffi::CStr) -> Self {
        Hidden {
            name,
            address: AtomicPtr::new(core::ptr::null_mut()),
        }
    }

    /// libc's function: `dlsym` does not see hidden symbols.
    fn address(&self) -> *mut c_void {
        let known = self.address.load(Relaxed);
        if !known.is_null() {
            return known;
        }
        // SAFETY: the name is a C string.
        let address = unsafe { libc::dlsym(libc::RTLD_DEFAULT, self.name.as_ptr()) };
        self.address.store(address, Relaxed);
        address
    }
}

/// Has the host record what a system call made, unless it failed. -1 and its errno when the host has closed it.
fn recorded(fd: c_long) -> c_int {
    if fd < 0 {
        return -1;
    }
    match host().record_descriptor(fd as c_int) {
        0 => fd as c_int,
        error => {
            set_errno(error);
            -1
        }
    }
}

/// A system call that makes one descriptor, and does not wait for anybody.
macro_rules! recorded_syscall {
    ($number:expr $(, $argument:expr)*) => {
        // SAFETY: the arguments are those of the function this stands for, whose caller vouches for them.
        host().held(|| recorded(unsafe { libc::syscall($number $(, $argument)*) }))
    };
}

/// # Safety
/// As of libc's `openat`.
pub unsafe extern "C" fn openat(folder: c_int, path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    recorded_syscall!(libc::SYS_openat, folder, path, flags, mode)
}

/// # Safety
/// As of libc's `open`.
pub unsafe extern "C" fn open(path: *const c_char, flags: c_int, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { openat(libc::AT_FDCWD, path, flags, mode) }
}

/// # Safety
/// As of libc's `creat`.
pub unsafe extern "C" fn creat(path: *const c_char, mode: mode_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_TRUNC, mode) }
}

pub extern "C" fn socket(domain: c_int, kind: c_int, protocol: c_int) -> c_int {
    recorded_syscall!(libc::SYS_socket, domain, kind, protocol)
}

/// # Safety
/// As of libc's `accept4`.
pub unsafe extern "C" fn accept4(fd: c_int, address: *mut sockaddr, len: *mut socklen_t, flags: c_int) -> c_int {
    // Not held: it waits, and a call that waits must be interruptible.
    // SAFETY: the caller's promise.
    recorded(unsafe { libc::syscall(libc::SYS_accept4, fd, address, len, flags) })
}

/// # Safety
/// As of libc's `accept`.
pub unsafe extern "C" fn accept(fd: c_int, address: *mut sockaddr, len: *mut socklen_t) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { accept4(fd, address, len, 0) }
}

/// # Safety
/// As of libc's `socketpair`.
pub unsafe extern "C" fn socketpair(domain: c_int, kind: c_int, protocol: c_int, pair: *mut c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe {
        recorded_pair(pair, || {
            libc::syscall(libc::SYS_socketpair, domain, kind, protocol, pair)
        })
    }
}

/// # Safety
/// As of libc's `pipe2`.
pub unsafe extern "C" fn pipe2(pair: *mut c_int, flags: c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { recorded_pair(pair, || libc::syscall(libc::SYS_pipe2, pair, flags)) }
}

/// # Safety
/// As of libc's `pipe`.
pub unsafe extern "C" fn pipe(pair: *mut c_int) -> c_int {
    // SAFETY: the caller's promise.
    unsafe { pipe2(pair, 0) }
}

/// # Safety
/// When `make` gives 0, it has written two descriptors to `pair`.
unsafe fn recorded_pair(pair: *const c_int, make: impl FnOnce() -> c_long) -> c_int {
    host().held(|| {
        if make() != 0 {
            return -1;
        }
        // SAFETY: the caller's promise.
        let (first, second) = unsafe { (*pair, *pair.add(1)) };
        // Both are tried: one that is not recorded is closed by the host.
        let kept = [first, second].map(|fd| recorded(fd.into()));
        if kept == [first, second] {
            return 0;
        }
        for fd in kept.into_iter().filter(|&fd| fd >= 0) {
            host().close_descriptor(fd);
        }
        set_errno(libc::EMFILE);
        -1
    })
}

/// # Safety
/// As of libc's `fcntl`.
pub unsafe extern "C" fn fcntl(fd: c_int, command: c_int, argument: usize) -> c_int {
    if matches!(command, libc::F_DUPFD | libc::F_DUPFD_CLOEXEC) {
        return recorded_syscall!(libc::SYS_fcntl, fd, command, argument);
    }
    // SAFETY: the caller's promise.
    unsafe { libc::syscall(libc::SYS_fcntl, fd, command, argument) as c_int }
}

pub extern "C" fn dup(fd: c_int) -> c_int {
    recorded_syscall!(libc::SYS_dup, fd)
}

pub extern "C" fn epoll_create1(flags: c_int) -> c_int {
    recorded_syscall!(libc::SYS_epoll_create1, flags)
}

pub extern "C" fn epoll_create(_size: c_int) -> c_int {
    epoll_create1(0)
}

pub extern "C" fn eventfd(initial: c_uint, flags: c_int) -> c_int {
    recorded_syscall!(libc::SYS_eventfd2, initial, flags)
}

pub extern "C" fn timerfd_create(clock: c_int, flags: c_int) -> c_int {
    recorded_syscall!(libc::SYS_timerfd_create, clock, flags)
}

pub extern "C" fn inotify_init1(flags: c_int) -> c_int {
    recorded_syscall!(libc::SYS_inotify_init1, flags)
}

pub extern "C" fn inotify_init() -> c_int {
    inotify_init1(0)
}

/// # Safety
/// As of libc's `memfd_create`.
pub unsafe extern "C" fn memfd_create(name: *const c_char, flags: c_uint) -> c_int {
    recorded_syscall!(libc::SYS_memfd_create, name, flags)
}

/// A descriptor the image did not open is another's.
pub extern "C" fn close(fd: c_int) -> c_int {
    host().close_descriptor(fd)
}

/// # Safety
/// As of libc's `opendir`, which would open and close behind the image's back.
pub unsafe extern "C" fn opendir(path: *const c_char) -> *mut DIR {
    // SAFETY: the caller's promise.
    let fd = unsafe {
        open(
            path,
            libc::O_RDONLY | libc::O_DIRECTORY | libc::O_CLOEXEC | libc::O_NONBLOCK,
            0,
        )
    };
    if fd < 0 {
        return core::ptr::null_mut();
    }
    // SAFETY: the descriptor is one of a folder, and nobody else uses it.
    unsafe { libc::fdopendir(fd) }
}

/// # Safety
/// As of libc's `closedir`.
pub unsafe extern "C" fn closedir(folder: *mut DIR) -> c_int {
    static CLOSEDIR: Hidden = Hidden::new(c"closedir");
    // SAFETY: that is the type of the function of this name.
    let closedir: unsafe extern "C" fn(*mut DIR) -> c_int = unsafe { core::mem::transmute(CLOSEDIR.address()) };
    host().held(|| {
        // SAFETY: the caller's promise.
        unsafe {
            host().forget_descriptor(libc::dirfd(folder));
            closedir(folder)
        }
    })
}

/// # Safety
/// As of libc's `fclose`; `fopen` is refused, so the file was made by `fdopen` of a recorded descriptor.
pub unsafe extern "C" fn fclose(file: *mut FILE) -> c_int {
    static FCLOSE: Hidden = Hidden::new(c"fclose");
    // SAFETY: that is the type of the function of this name.
    let fclose: unsafe extern "C" fn(*mut FILE) -> c_int = unsafe { core::mem::transmute(FCLOSE.address()) };
    // SAFETY: the caller's promise.
    let fd = unsafe { libc::fileno(file) };
    host().held(|| {
        if host().forget_descriptor(fd) != 0 {
            // Standard output and its like belong to the process.
            return refuse() as c_int;
        }
        // SAFETY: the caller's promise.
        unsafe { fclose(file) }
    })
}
