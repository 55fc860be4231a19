//! The registers and the signal mask that a signal handler returns to.

use core::ptr::addr_of_mut;

use libc::{c_int, greg_t, ucontext_t, REG_EFL, REG_RAX, REG_RDI, REG_RIP, REG_RSP};

/// Direction and alignment-check flags: the host's code expects them clear.
const FLAGS_CLEARED: greg_t = 0x400 | 0x4_0000;

/// What a signal interrupted. A raw pointer inside: the kernel's structure is smaller than libc's type for it.
pub struct Context(*mut ucontext_t);

impl Context {
    /// # Safety
    /// `context` is the third argument of a signal handler that has not returned.
    pub unsafe fn new(context: *mut ucontext_t) -> Context {
        Context(context)
    }

    /// The interrupted instruction.
    pub fn pc(&self) -> usize {
        self.register(REG_RIP)
    }

    /// The stack pointer.
    pub fn sp(&self) -> usize {
        self.register(REG_RSP)
    }

    /// The handler will return to `pc` instead, with this stack pointer and first argument.
    pub fn go_on_at(&self, pc: usize, sp: usize, argument: usize) {
        self.set_register(REG_RIP, pc);
        self.set_register(REG_RSP, sp);
        self.set_register(REG_RDI, argument);
        // SAFETY: as in `register`.
        unsafe { (*self.0).uc_mcontext.gregs[REG_EFL as usize] &= !FLAGS_CLEARED };
    }

    /// The result the interrupted function seems to give.
    pub fn set_result(&self, value: usize) {
        self.set_register(REG_RAX, value);
    }

    /// The handler will return to this signal mask. The kernel's mask is 8 bytes.
    pub fn set_mask(&self, mask: u64) {
        // SAFETY: the structure is valid while the handler runs, see `new`.
        unsafe { addr_of_mut!((*self.0).uc_sigmask).cast::<u64>().write(mask) };
    }

    fn register(&self, register: c_int) -> usize {
        // SAFETY: the structure is valid while the handler runs, see `new`; the registers lie in the kernel's part of it.
        unsafe { (*self.0).uc_mcontext.gregs[register as usize] as usize }
    }

    fn set_register(&self, register: c_int, value: usize) {
        // SAFETY: as in `register`.
        unsafe { (*self.0).uc_mcontext.gregs[register as usize] = value as greg_t };
    }
}
