//! The frames a call was in when it was left, for the log.

use core::cell::Cell;

use rust_edge_gateway_abi::TRACE_FRAMES_MAX;

/// Frames of the image's own code, innermost first, each an address within the instruction that was interrupted or that
/// called the frame before. Kept outside the image and of a fixed size: it is written in signal handlers.
pub struct Trace {
    frames: [Cell<u64>; TRACE_FRAMES_MAX],
    len: Cell<usize>,
}

impl Trace {
    pub const fn new() -> Trace {
        Trace {
            frames: [const { Cell::new(0) }; TRACE_FRAMES_MAX],
            len: Cell::new(0),
        }
    }

    pub fn clear(&self) {
        self.len.set(0);
    }

    /// Adds the frame that called those before; one that is too deep is left out.
    pub fn push(&self, offset: usize) {
        if let Some(place) = self.frames.get(self.len.get()) {
            place.set(offset as u64);
            self.len.set(self.len.get() + 1);
        }
    }

    pub fn is_full(&self) -> bool {
        self.len.get() == TRACE_FRAMES_MAX
    }

    /// Offsets in the library, innermost first.
    pub fn offsets(&self) -> impl ExactSizeIterator<Item = u64> + '_ {
        self.frames.iter().take(self.len.get()).map(Cell::get)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_keeps_the_innermost_frames() {
        let trace = Trace::new();
        for offset in 1..=TRACE_FRAMES_MAX + 1 {
            assert_eq!(trace.is_full(), offset > TRACE_FRAMES_MAX);
            trace.push(offset);
        }
        assert!(trace.offsets().eq(1..=TRACE_FRAMES_MAX as u64));
        trace.clear();
        assert_eq!(trace.offsets().len(), 0);
    }
}
