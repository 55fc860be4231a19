//! The way onto a slot's stack and the ways back, in assembly.
//!
//! ```text
//! host stack                      slot's stack
//! guard_switch ── saves itself ──► entry point of the image ── returns ──┐
//! guard_host_side ◄──────────────────────────────────────────────────────┘
//!        ▲── guard_leave ◄── signal handler, replaced return address, or the image's wish
//! ```
//!
//! What the host keeps in registers lies on the host's stack, at the address in the slot's `host_sp`; getting back
//! needs nothing else, so it works whatever state the image's side is in.

use core::arch::global_asm;
use core::ffi::c_void;
use core::ops::RangeInclusive;
use core::sync::atomic::AtomicUsize;

use rust_edge_gateway_abi::EntryPoint;

/// What [`guard_switch`] gives when the call was left; `movabs` in [`guard_leave`] has it too.
pub const CALL_FAULTED: i64 = i64::MIN;

/// What [`guard_probe`] gives when its function was cut short.
pub const PROBE_CUT: i64 = 1;

global_asm!(
    r#"
.globl guard_switch
.hidden guard_switch
.p2align 4
guard_switch:                # rdi = cell for rsp, rsi = top of the other stack, rdx = entry point, rcx = its four arguments
  .cfi_startproc
  push rbp
  push rbx
  push r12
  push r13
  push r14
  push r15
  sub rsp, 24
  stmxcsr [rsp]
  fnstcw [rsp+4]
  mov [rdi], rsp
  .cfi_undefined rip         # unwinders stop here: nothing of the host is ever unwound
  mov rbx, rdi
  mov rsp, rsi
  xor ebp, ebp
  mov rax, rdx
  mov rdi, [rcx]
  mov rsi, [rcx+8]
  mov rdx, [rcx+16]
  mov rcx, [rcx+24]
  call rax
  mov rsp, [rbx]
.globl guard_host_side
.hidden guard_host_side
guard_host_side:             # rsp = saved host stack pointer, rax = result
  cld
  ldmxcsr [rsp]
  fldcw [rsp+4]
  add rsp, 24
  pop r15
  pop r14
  pop r13
  pop r12
  pop rbx
  pop rbp
  ret
  .cfi_endproc
.globl guard_switch_end
.hidden guard_switch_end
guard_switch_end:

.globl guard_probe
.hidden guard_probe
.p2align 4
guard_probe:                 # rdi = cell for rsp, rsi = function, rdx = its argument
  .cfi_startproc
  push rbp
  .cfi_def_cfa_offset 16
  .cfi_offset rbp, -16
  push rbx
  .cfi_def_cfa_offset 24
  .cfi_offset rbx, -24
  push r12
  .cfi_def_cfa_offset 32
  .cfi_offset r12, -32
  push r13
  .cfi_def_cfa_offset 40
  .cfi_offset r13, -40
  push r14
  .cfi_def_cfa_offset 48
  .cfi_offset r14, -48
  push r15
  .cfi_def_cfa_offset 56
  .cfi_offset r15, -56
  sub rsp, 24
  .cfi_def_cfa_offset 80
  stmxcsr [rsp]
  fnstcw [rsp+4]
  mov [rdi], rsp
  mov rdi, rdx
  call rsi
  xor eax, eax
  jmp guard_host_side        # the same frame as guard_switch has
  .cfi_endproc

.globl guard_patched
.hidden guard_patched
.p2align 4
  nop                        # unwinders look up "return address - 1"
guard_patched:               # a foreign function returned here instead of into the image
  .cfi_startproc
  .cfi_undefined rip
  cld
  and rsp, -16
  call {after_patched_return}
  mov rdi, rax
.globl guard_leave
.hidden guard_leave
guard_leave:                 # rdi = saved host stack pointer
  mov rsp, rdi
  fninit                     # the code that was left may have been in the middle of x87 or MMX work
  movabs rax, 0x8000000000000000
  jmp guard_host_side
  .cfi_endproc
"#,
    after_patched_return = sym crate::leave::after_patched_return
);

extern "C" {
    /// Calls `entry` with four `arguments` on the stack that ends at `stack_top`, the host's stack pointer in `host_sp`:
    /// its result, or [`CALL_FAULTED`].
    pub fn guard_switch(
        host_sp: *const AtomicUsize,
        stack_top: usize,
        entry: EntryPoint,
        arguments: *const usize,
    ) -> i64;

    /// Back to the host's side of the switch with [`CALL_FAULTED`].
    pub fn guard_leave(host_sp: usize) -> !;

    /// Calls `function`: 0, or [`PROBE_CUT`] when a signal handler went on at [`probe_exit`] with the stack pointer
    /// that `cell` holds.
    pub fn guard_probe(
        cell: *const AtomicUsize,
        function: unsafe extern "C" fn(*mut c_void),
        argument: *mut c_void,
    ) -> i64;

    static guard_switch_end: u8;
    static guard_host_side: u8;
    static guard_patched: u8;
}

/// Addresses an unwinder shows for the frame of [`guard_switch`].
pub fn switch_frame() -> RangeInclusive<usize> {
    guard_switch as *const () as usize..=&raw const guard_switch_end as usize
}

/// Where a cut probe goes on.
pub fn probe_exit() -> usize {
    &raw const guard_host_side as usize
}

/// Where a call that is left goes on, the saved stack pointer of the host in its first argument register.
pub fn leave_entry() -> usize {
    guard_leave as *const () as usize
}

/// The return address that replaces another.
pub fn patched_return() -> usize {
    &raw const guard_patched as usize
}
