//! Thread-local keys and destructors, kept here in place of libc.
//!
//! libc would call the destructors when the worker thread ends, long after the image is unmapped. So libc never learns
//! of them: `handler_end` runs them, or nobody does, after a fault.

use core::cell::RefCell;
use core::ffi::c_void;
use core::ptr::null;

use super::host;
use super::one_thread::OneThread;

pub type Destructor = unsafe extern "C" fn(*mut c_void);

/// A key, and what its values are destroyed by.
type Key = (u32, Option<Destructor>);

static KEYS: OneThread<RefCell<Vec<Key>>> = OneThread(RefCell::new(Vec::new()));

/// Destructors of thread-locals, in the order of registration, with what each destroys.
static DESTRUCTORS: OneThread<RefCell<Vec<(Destructor, *mut c_void)>>> = OneThread(RefCell::new(Vec::new()));

/// Rounds in which destructors may bring up further ones; libc gives up after as many (`PTHREAD_DESTRUCTOR_ITERATIONS`).
const ROUNDS_MAX: usize = 4;

/// # Safety
/// As of libc's `pthread_key_create`.
pub unsafe extern "C" fn key_create(key: *mut u32, destructor: Option<Destructor>) -> i32 {
    let Some(host) = host::table() else { return libc::EAGAIN };
    match host.create_key() {
        Ok(created) => {
            KEYS.0.borrow_mut().push((created, destructor));
            // SAFETY: the caller's promise.
            unsafe { *key = created };
            0
        }
        Err(error) => error,
    }
}

/// The key itself stays with the host, which deletes it with the image: libc could give it to somebody else before.
pub extern "C" fn key_delete(key: u32) -> i32 {
    KEYS.0.borrow_mut().retain(|(known, _)| *known != key);
    0
}

/// # Safety
/// As of glibc's `__cxa_thread_atexit_impl`: `destructor` can be called with `object`, on this thread, once.
pub unsafe extern "C" fn at_thread_exit(destructor: Destructor, object: *mut c_void, _library: *mut c_void) -> i32 {
    DESTRUCTORS.0.borrow_mut().push((destructor, object));
    0
}

/// Does what the end of the thread would do.
pub(crate) fn run_destructors() {
    for _ in 0..ROUNDS_MAX {
        let ran_objects = destroy_objects();
        let ran_keys = destroy_key_values();
        if !ran_objects && !ran_keys {
            return;
        }
    }
}

fn destroy_objects() -> bool {
    let mut ran = false;
    // One at a time: a destructor may register further ones, and the list must not be borrowed then.
    while let Some((destructor, object)) = { DESTRUCTORS.0.borrow_mut().pop() } {
        // SAFETY: whoever registered the pair asked for exactly this call, on this thread, once.
        unsafe { destructor(object) };
        ran = true;
    }
    ran
}

fn destroy_key_values() -> bool {
    let mut ran = false;
    let keys = KEYS.0.borrow().clone();
    for (key, destructor) in keys {
        // SAFETY: the key exists until the image is gone.
        let value = unsafe { libc::pthread_getspecific(key) };
        let (Some(destructor), false) = (destructor, value.is_null()) else {
            continue;
        };
        // SAFETY: as above; the value is taken away before its destructor runs, as libc does.
        unsafe { libc::pthread_setspecific(key, null()) };
        // SAFETY: whoever created the key asked for this call with the key's value.
        unsafe { destructor(value) };
        ran = true;
    }
    ran
}
