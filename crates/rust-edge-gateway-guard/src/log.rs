//! Log lines of a slot's images, kept on the host's side so that they survive a fault.
//!
//! A record is `u8 level, u8[3] 0, u32 length, bytes`.

use core::cell::Cell;
use core::ptr;

use rust_edge_gateway_abi::LogLevel;

use crate::report::floor_char_boundary;

/// Bytes of one slot's log; a caller with a buffer of this size gets everything.
pub const LOG_BYTES: usize = 64 << 10;
/// Longer lines are cut.
const LINE_BYTES_MAX: usize = 8 << 10;
const RECORD_HEADER_BYTES: usize = 8;
/// Kept free for the notice that lines were dropped.
const NOTICE_BYTES_MAX: usize = 64;

/// Lines wait here until the gateway takes them. Used by the slot's thread only.
pub struct Log {
    bytes: Cell<*mut u8>,
    used: Cell<usize>,
    dropped: Cell<u32>,
}

impl Log {
    pub const fn new() -> Log {
        Log {
            bytes: Cell::new(ptr::null_mut()),
            used: Cell::new(0),
            dropped: Cell::new(0),
        }
    }

    /// Gives the log its memory and empties it.
    ///
    /// # Safety
    /// `bytes` is valid for [`LOG_BYTES`] until this is called again.
    pub unsafe fn reset(&self, bytes: *mut u8) {
        self.bytes.set(bytes);
        self.used.set(0);
        self.dropped.set(0);
    }

    /// Adds a line, or counts it as dropped. Runs inside guarded calls: no allocation, and nothing is half-written when
    /// reading `text` faults.
    ///
    /// # Safety
    /// `text` is meant to be readable for `len` bytes; if it is not, the fault is the image's.
    pub unsafe fn append(&self, level: u32, text: *const u8, len: usize) {
        let used = self.used.get();
        let room = (LOG_BYTES - NOTICE_BYTES_MAX).saturating_sub(used);
        // One byte past the limit is looked at, to see whether a character ends there.
        let seen_len = len.min(LINE_BYTES_MAX + 1);
        if seen_len.min(LINE_BYTES_MAX) + RECORD_HEADER_BYTES > room || self.bytes.get().is_null() {
            self.dropped.set(self.dropped.get().saturating_add(1));
            return;
        }
        let level = level.min(LogLevel::Debug as u32);
        let start = if seen_len == 0 { ptr::dangling() } else { text };
        // SAFETY: the caller vouches for `text`; an empty line may have come with any pointer.
        let seen = unsafe { core::slice::from_raw_parts(start, seen_len) };
        let text = &seen[..floor_char_boundary(seen, LINE_BYTES_MAX)];
        // SAFETY: header and text fit behind `used`, as checked above; the memory is the slot's own.
        unsafe { write_record(self.bytes.get().add(used), level, text) };
        self.used.set(used + RECORD_HEADER_BYTES + text.len());
    }

    /// Bytes that wait to be taken.
    pub fn waiting(&self) -> u32 {
        if self.dropped.get() == 0 {
            return self.used.get() as u32;
        }
        (self.used.get() + RECORD_HEADER_BYTES + self.notice().len()) as u32
    }

    /// Moves as many whole records as fit to `out`; the notice of dropped lines is the last. Bytes written.
    ///
    /// # Safety
    /// `out` is valid for writes of `cap` bytes.
    pub unsafe fn take(&self, out: *mut u8, cap: usize) -> usize {
        self.settle_notice();
        let (bytes, used) = (self.bytes.get(), self.used.get());
        if used == 0 {
            return 0;
        }
        // SAFETY: `used` bytes of records were written to the log's memory.
        let records = unsafe { core::slice::from_raw_parts(bytes, used) };
        let taken = whole_records(records, cap);
        // SAFETY: `taken` is at most `cap` and at most `used`; the caller's buffer is not the log's memory.
        unsafe {
            ptr::copy_nonoverlapping(bytes, out, taken);
            ptr::copy(bytes.add(taken), bytes, used - taken);
        }
        self.used.set(used - taken);
        taken
    }

    /// Turns the count of dropped lines into a record.
    fn settle_notice(&self) {
        if self.dropped.get() == 0 {
            return;
        }
        let notice = self.notice();
        let end = self.used.get() + RECORD_HEADER_BYTES + notice.len();
        if end > LOG_BYTES {
            return; // an earlier notice still waits in the room kept for it
        }
        // SAFETY: the record ends within the log's memory.
        unsafe {
            write_record(
                self.bytes.get().add(self.used.get()),
                LogLevel::Warn as u32,
                notice.as_bytes(),
            )
        };
        self.used.set(end);
        self.dropped.set(0);
    }

    fn notice(&self) -> String {
        format!("{} log lines dropped", self.dropped.get())
    }
}

/// # Safety
/// `target` is valid for writes of the header and `text`.
unsafe fn write_record(target: *mut u8, level: u32, text: &[u8]) {
    // SAFETY: see above.
    unsafe {
        target
            .add(RECORD_HEADER_BYTES)
            .copy_from_nonoverlapping(text.as_ptr(), text.len());
        target.cast::<u32>().write_unaligned(level);
        target.add(4).cast::<u32>().write_unaligned(text.len() as u32);
    }
}

/// Length of the longest run of whole records that fits into `cap`.
fn whole_records(records: &[u8], cap: usize) -> usize {
    if records.len() <= cap {
        return records.len();
    }
    let mut end = 0;
    while let Some(&[a, b, c, d]) = records.get(end + 4..end + RECORD_HEADER_BYTES) {
        let next = end + RECORD_HEADER_BYTES + u32::from_le_bytes([a, b, c, d]) as usize;
        if next > cap {
            break;
        }
        end = next;
    }
    end
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        log: Log,
        _memory: Box<[u8; LOG_BYTES]>,
    }

    fn empty_log() -> Fixture {
        let mut memory = Box::new([0; LOG_BYTES]);
        let log = Log::new();
        // SAFETY: the fixture keeps the memory for as long as the log.
        unsafe { log.reset(memory.as_mut_ptr()) };
        Fixture { log, _memory: memory }
    }

    impl Fixture {
        fn append(&self, level: u32, text: &str) {
            // SAFETY: `text` is readable.
            unsafe { self.log.append(level, text.as_ptr(), text.len()) }
        }

        fn take(&self, cap: usize) -> Vec<(u8, String)> {
            let mut out = vec![0; cap];
            // SAFETY: `out` has `cap` bytes.
            let taken = unsafe { self.log.take(out.as_mut_ptr(), cap) };
            let mut records = Vec::new();
            let mut rest = &out[..taken];
            while !rest.is_empty() {
                let len = u32::from_le_bytes(rest[4..8].try_into().unwrap()) as usize;
                records.push((rest[0], String::from_utf8(rest[8..8 + len].to_vec()).unwrap()));
                rest = &rest[8 + len..];
            }
            records
        }
    }

    #[test]
    fn lines_come_back_in_order_and_only_once() {
        let log = empty_log();
        log.append(0, "first");
        log.append(9, "");
        assert_eq!(log.log.waiting(), 21);
        assert_eq!(log.take(LOG_BYTES), [(0, "first".into()), (3, String::new())]);
        assert_eq!(log.take(LOG_BYTES), []);
    }

    #[test]
    fn a_long_line_is_cut_at_a_character() {
        let log = empty_log();
        log.append(2, &"€".repeat(4000));
        let lines = log.take(LOG_BYTES);
        assert_eq!(lines[0].1.len(), 8190);
    }

    #[test]
    fn lines_that_do_not_fit_are_counted() {
        let log = empty_log();
        for _ in 0..10_000 {
            log.append(2, "a line of some length");
        }
        let waiting = log.log.waiting() as usize;
        let lines = log.take(LOG_BYTES);
        assert!(waiting <= LOG_BYTES);
        assert_eq!(lines.iter().map(|(_, text)| text.len() + 8).sum::<usize>(), waiting);
        let kept = lines.len() - 1;
        assert_eq!(lines[kept], (1, format!("{} log lines dropped", 10_000 - kept)));
        assert_eq!(log.log.waiting(), 0);
    }

    #[test]
    fn a_small_buffer_gets_whole_records_and_leaves_the_rest() {
        let log = empty_log();
        log.append(2, "one");
        log.append(2, "two");
        assert_eq!(log.take(21), [(2, "one".into())]);
        assert_eq!(log.take(21), [(2, "two".into())]);
    }
}
