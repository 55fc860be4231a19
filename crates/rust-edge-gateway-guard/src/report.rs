//! What a call leaves behind for the gateway. The TypeScript side is `src/protocol/guard.ts`.

use core::mem::{offset_of, size_of};

use rust_edge_gateway_abi::{FaultKind, TRACE_FRAMES_MAX};

/// Bytes of a report.
pub const REPORT_BYTES: usize = 1536;

/// Most bytes of a report's message.
const MESSAGE_BYTES: usize = 952;

/// The code that ran was not the image's own.
const FOREIGN: u32 = 1;
/// Foreign code was left that may hold a lock: the process has to be replaced.
const SUSPECT: u32 = 2;

/// How a call ended that gave no answer.
#[repr(C)]
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Fault {
    kind: i32,
    signal: i32,
    /// `si_code` of the signal, or the code given to the host's `fault`.
    pub code: i32,
    flags: u32,
    /// Address that was accessed.
    pub address: u64,
    pc: u64,
    /// `pc` relative to the library, 0 when it is outside.
    offset: u64,
    call: u64,
    /// Interrupts that had to wait for foreign code to return.
    waits: u32,
    patched: u32,
}

impl Fault {
    /// A fault that no instruction is to blame for.
    pub fn new(kind: FaultKind, call: u64) -> Fault {
        Fault {
            kind: kind as i32,
            call,
            ..Fault::default()
        }
    }

    /// The same fault, found by `signal` at `pc`; `offset` is `None` when that is not the image's code.
    pub fn at(self, signal: i32, pc: usize, offset: Option<usize>) -> Fault {
        let flags = if offset.is_some() {
            self.flags
        } else {
            self.flags | FOREIGN
        };
        Fault {
            signal,
            pc: pc as u64,
            offset: offset.unwrap_or(0) as u64,
            flags,
            ..self
        }
    }

    /// The same fault after `waits` interrupts, `patched` when it took a replaced return address.
    pub fn after(self, waits: u32, patched: bool) -> Fault {
        Fault {
            waits,
            patched: u32::from(patched),
            ..self
        }
    }

    /// Not so for the report of a call that was answered.
    pub fn is_fault(&self) -> bool {
        self.kind != 0
    }

    pub fn is_foreign(&self) -> bool {
        self.flags & FOREIGN != 0
    }

    pub fn is_suspect(&self) -> bool {
        self.flags & SUSPECT != 0
    }

    pub fn set_suspect(&mut self) {
        self.flags |= SUSPECT;
    }
}

/// The layout of the report's bytes.
#[repr(C)]
struct Layout {
    fault: Fault,
    log_bytes: u32,
    message_bytes: u32,
    frames: u32,
    _padding: u32,
    offsets: [u64; TRACE_FRAMES_MAX],
    message: [u8; MESSAGE_BYTES],
}

const _: () = assert!(size_of::<Layout>() == REPORT_BYTES && offset_of!(Layout, message) == 584);

/// The caller's memory for a report; a null pointer takes everything and keeps nothing.
#[derive(Clone, Copy)]
pub struct Report(*mut Layout);

impl Report {
    /// # Safety
    /// `bytes` is null or valid for writes of [`REPORT_BYTES`] for as long as the report is used; any alignment will do.
    pub unsafe fn at(bytes: *mut u8) -> Report {
        Report(bytes.cast())
    }

    /// Begins a report: no fault, no frames, no message.
    pub fn clear(self) {
        self.set_fault(&Fault::default());
        self.set_frames([].into_iter());
        self.set_message("");
    }

    /// What a call without a fault leaves: as little as possible, for it is written for every request.
    pub fn set_answered(self, log_bytes: u32) {
        self.write(|layout| {
            // SAFETY: `write` gives a pointer that is valid for writes of a whole layout, at any alignment.
            unsafe {
                (&raw mut (*layout).fault.kind).write_unaligned(0);
                (&raw mut (*layout).log_bytes).write_unaligned(log_bytes);
            }
        });
    }

    pub fn set_fault(self, fault: &Fault) {
        // SAFETY: `write` gives a pointer that is valid for writes of a whole layout, at any alignment.
        self.write(|layout| unsafe { (&raw mut (*layout).fault).write_unaligned(*fault) });
    }

    pub fn set_log_bytes(self, log_bytes: u32) {
        // SAFETY: `write` gives a pointer that is valid for writes of a whole layout, at any alignment.
        self.write(|layout| unsafe { (&raw mut (*layout).log_bytes).write_unaligned(log_bytes) });
    }

    /// Offsets of the frames in the library, innermost first; at most [`TRACE_FRAMES_MAX`].
    pub fn set_frames(self, offsets: impl ExactSizeIterator<Item = u64>) {
        self.write(|layout| {
            let len = offsets.len().min(TRACE_FRAMES_MAX);
            // SAFETY: `write` gives a pointer that is valid for writes of a whole layout, at any alignment; the frames
            // written are at most as many as there is room for.
            unsafe {
                (&raw mut (*layout).frames).write_unaligned(len as u32);
                let places = (&raw mut (*layout).offsets).cast::<u64>();
                for (at, offset) in offsets.take(len).enumerate() {
                    places.add(at).write_unaligned(offset);
                }
            }
        });
    }

    /// Cut, at a character, to what fits.
    pub fn set_message(self, text: &str) {
        let len = floor_char_boundary(text.as_bytes(), MESSAGE_BYTES);
        self.write(|layout| {
            // SAFETY: `write` gives a pointer that is valid for writes of a whole layout; `len` fits into `message`.
            unsafe {
                (&raw mut (*layout).message_bytes).write_unaligned(len as u32);
                (&raw mut (*layout).message)
                    .cast::<u8>()
                    .copy_from_nonoverlapping(text.as_ptr(), len);
            }
        });
    }

    fn write(self, write: impl FnOnce(*mut Layout)) {
        if !self.0.is_null() {
            write(self.0);
        }
    }
}

/// Most bytes of UTF-8 `text`, up to `max`, that do not end within a character.
pub fn floor_char_boundary(text: &[u8], max: usize) -> usize {
    if text.len() <= max {
        return text.len();
    }
    let within_character = |at: &usize| text.get(*at).is_some_and(|byte| byte & 0xC0 == 0x80);
    let floor = (max.saturating_sub(3)..=max).rev().find(|at| !within_character(at));
    floor.unwrap_or(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn u32_at(bytes: &[u8], at: usize) -> u32 {
        u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
    }

    #[test]
    fn a_fault_lies_where_the_gateway_reads_it() {
        let mut bytes = [0xEE; REPORT_BYTES + 1];
        let mut fault = Fault::new(FaultKind::Memory, 7)
            .at(11, 0x1234, Some(0x34))
            .after(3, true);
        (fault.code, fault.address) = (1, 0xDEAD);
        fault.set_suspect();
        // SAFETY: the array outlives the report and has room behind its second byte.
        let report = unsafe { Report::at(bytes.as_mut_ptr().add(1)) };
        report.set_fault(&fault);
        report.set_log_bytes(99);
        report.set_frames([0x34, 0x1_0000_0056].into_iter());
        report.set_message("text");
        let fields: Vec<u32> = (0..22).map(|field| u32_at(&bytes[1..], field * 4)).collect();
        assert_eq!(
            fields[..16],
            [1, 11, 1, SUSPECT, 0xDEAD, 0, 0x1234, 0, 0x34, 0, 7, 0, 3, 1, 99, 4]
        );
        assert_eq!((fields[16], &fields[18..]), (2, &[0x34, 0, 0x56, 1][..]));
        assert_eq!(&bytes[585..590], b"text\xEE");
    }

    #[test]
    fn an_answer_leaves_no_fault_of_an_earlier_call() {
        let mut bytes = [0; REPORT_BYTES];
        // SAFETY: the array outlives the report.
        let report = unsafe { Report::at(bytes.as_mut_ptr()) };
        report.set_fault(&Fault::new(FaultKind::Abort, 1));
        report.set_answered(5);
        assert_eq!((u32_at(&bytes, 0), u32_at(&bytes, 56)), (0, 5));
    }

    #[test]
    fn a_long_message_is_cut_at_a_character() {
        let mut bytes = [0xEE; REPORT_BYTES + 1];
        // SAFETY: the array outlives the report.
        let report = unsafe { Report::at(bytes.as_mut_ptr()) };
        report.set_message(&format!("{}€€", "x".repeat(950)));
        assert_eq!(u32_at(&bytes, 60), 950);
        assert_eq!(bytes[REPORT_BYTES], 0xEE);
    }

    #[test]
    fn a_null_report_takes_everything() {
        // SAFETY: null is allowed.
        let report = unsafe { Report::at(core::ptr::null_mut()) };
        report.clear();
        report.set_answered(1);
    }
}
