//! Binary frames: little-endian, no padding. The gateway's side is `src/protocol/frame.ts`.
//!
//! Decoders take any bytes and never panic: a frame that makes no sense is `None`.

use alloc::vec::Vec;

/// Fixed part of a request frame.
pub const REQUEST_HEADER_BYTES: usize = 36;

/// A request frame, borrowed. Text is bytes as received from the client, parameters are UTF-8.
///
/// ```text
///  0 f64 deadline, milliseconds of CLOCK_MONOTONIC    8 u32 request    12 u32 body length
/// 16 u32 path length    20 u32 query length           24 u16 method length    26 u16 request id length
/// 28 u16 client address length    30 u16 headers      32 u16 parameters       34 u16 reserved
/// 36 u16 name length, u16 value length: a pair for each header, then one for each parameter
///  … method, path, query, request id, client address, headers (name, value …), parameters (name, value …), body
/// ```
#[derive(Debug, Clone, Copy)]
pub struct RequestFrame<'a> {
    /// Milliseconds of `CLOCK_MONOTONIC` after which the gateway answers for the handler.
    pub deadline_ms: f64,
    /// Number of the request in its image, chosen by the gateway.
    pub request: u32,
    /// Method in upper case.
    pub method: &'a [u8],
    /// Path as sent, percent-encoded.
    pub path: &'a [u8],
    /// Query as sent, without `?`.
    pub query: &'a [u8],
    /// Request id, ASCII.
    pub request_id: &'a [u8],
    /// Client address, ASCII.
    pub client_ip: &'a [u8],
    /// Header names and values.
    pub headers: Pairs<'a>,
    /// Path parameters.
    pub params: Pairs<'a>,
    /// Body.
    pub body: &'a [u8],
}

/// Names and values of a frame: their lengths, and the bytes these are lengths of.
#[derive(Debug, Clone, Copy)]
pub struct Pairs<'a> {
    lengths: &'a [u8],
    text: &'a [u8],
}

impl<'a> Iterator for Pairs<'a> {
    type Item = (&'a [u8], &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        let (lengths, rest) = self.lengths.split_at_checked(4)?;
        self.lengths = rest;
        let (name, text) = self.text.split_at_checked(u16_at(lengths, 0)?.into())?;
        let (value, text) = text.split_at_checked(u16_at(lengths, 2)?.into())?;
        self.text = text;
        Some((name, value))
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.lengths.len() / 4, Some(self.lengths.len() / 4))
    }
}

impl ExactSizeIterator for Pairs<'_> {}

impl<'a> RequestFrame<'a> {
    /// Reads a frame; `None` unless its lengths add up to exactly the bytes given.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let header_pairs = usize::from(u16_at(bytes, 30)?) * 4;
        let param_pairs = usize::from(u16_at(bytes, 32)?) * 4;
        let mut rest = Cursor(bytes.get(REQUEST_HEADER_BYTES..)?);
        let header_lengths = rest.take(header_pairs)?;
        let param_lengths = rest.take(param_pairs)?;
        let frame = RequestFrame {
            deadline_ms: f64::from_le_bytes(bytes.get(..8)?.try_into().ok()?),
            request: u32_at(bytes, 8)?,
            method: rest.take(u16_at(bytes, 24)?.into())?,
            path: rest.take(u32_at(bytes, 16)? as usize)?,
            query: rest.take(u32_at(bytes, 20)? as usize)?,
            request_id: rest.take(u16_at(bytes, 26)?.into())?,
            client_ip: rest.take(u16_at(bytes, 28)?.into())?,
            headers: Pairs {
                lengths: header_lengths,
                text: rest.take(sum_of_lengths(header_lengths))?,
            },
            params: Pairs {
                lengths: param_lengths,
                text: rest.take(sum_of_lengths(param_lengths))?,
            },
            body: rest.take(u32_at(bytes, 12)? as usize)?,
        };
        rest.0.is_empty().then_some(frame)
    }
}

struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (taken, rest) = self.0.split_at_checked(len)?;
        self.0 = rest;
        Some(taken)
    }
}

fn sum_of_lengths(lengths: &[u8]) -> usize {
    lengths
        .chunks_exact(2)
        .map(|pair| usize::from(u16::from_le_bytes([pair[0], pair[1]])))
        .sum()
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Input of `handler_resume`: the result of a host operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ResumeFrame<'a> {
    /// The request that asked.
    pub request: u32,
    /// The operation's number, as the request chose it.
    pub operation: u32,
    /// 0, or a negative errno: `-38` is an operation the gateway does not know.
    pub status: i32,
    /// Result; what it means depends on the operation.
    pub payload: &'a [u8],
}

impl<'a> ResumeFrame<'a> {
    /// Reads `u32 request, u32 operation, i32 status, u32 payload length, payload`.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let payload = bytes.get(16..)?;
        (payload.len() == u32_at(bytes, 12)? as usize).then_some(ResumeFrame {
            request: u32_at(bytes, 0)?,
            operation: u32_at(bytes, 4)?,
            status: u32_at(bytes, 8)? as i32,
            payload,
        })
    }
}

/// Input of `handler_cancel`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CancelFrame {
    /// The request to drop.
    pub request: u32,
    /// 1 timeout, 2 client gone, 3 forced drain.
    pub reason: u32,
}

impl CancelFrame {
    /// Reads `u32 request, u32 reason`.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        Some(CancelFrame {
            request: u32_at(bytes, 0)?,
            reason: u32_at(bytes, 4)?,
        })
    }
}

/// Host operation: wait. The payload is a `u64` of nanoseconds, the result is empty.
pub const OPERATION_SLEEP: u32 = 1;

const RECORD_REPLY: u8 = 1;
const RECORD_PANIC: u8 = 2;
const RECORD_OPERATION: u8 = 3;
const RECORD_OPERATION_CANCEL: u8 = 4;
const RECORD_DROPPED: u8 = 5;

/// Appends output records to a buffer. Every record begins with `u32 length, u8 kind, u8[3] 0, u32 request`.
///
/// ```text
/// reply              12 u16 status, 14 u16 0, 16 u32 headers length, 20 u32 body length,
///                    24 headers (name NUL value NUL …), body
/// panic              12 u32 message length, 16 message (UTF-8), u64 offsets of frames up to the record's end
/// operation          12 u32 operation, 16 u32 kind, 20 u32 payload length, 24 payload
/// operation cancel   12 u32 operation
/// dropped            nothing more
/// ```
pub struct RecordWriter<'a>(
    /// Where the records go.
    pub &'a mut Vec<u8>,
);

impl RecordWriter<'_> {
    /// The answer to a request. A NUL in a name or value is written as a newline: HTTP allows neither, so the gateway
    /// refuses the response instead of taking the rest for another header.
    pub fn reply<'h>(
        &mut self,
        request: u32,
        status: u16,
        headers: impl Iterator<Item = (&'h str, &'h str)>,
        body: &[u8],
    ) {
        let start = self.begin(RECORD_REPLY, request);
        self.0.extend_from_slice(&status.to_le_bytes());
        self.0.extend_from_slice(&[0; 10]);
        let headers_start = self.0.len();
        for text in headers.flat_map(|(name, value)| [name, value]) {
            self.0
                .extend(text.bytes().map(|byte| if byte == 0 { b'\n' } else { byte }));
            self.0.push(0);
        }
        let headers_len = self.0.len() - headers_start;
        self.set_u32(start + 16, headers_len);
        self.set_u32(start + 20, body.len());
        self.0.extend_from_slice(body);
        self.finish(start);
    }

    /// The request panicked; the message is for the log, and so is `trace`: what the host's function of that name gave
    /// when the panic began, or nothing.
    pub fn panic(&mut self, request: u32, message: &str, trace: &[u64]) {
        let start = self.begin(RECORD_PANIC, request);
        self.counted(message.as_bytes());
        for offset in trace {
            self.0.extend_from_slice(&offset.to_le_bytes());
        }
        self.finish(start);
    }

    /// The request waits for a host operation.
    pub fn operation(&mut self, request: u32, operation: u32, kind: u32, payload: &[u8]) {
        let start = self.begin(RECORD_OPERATION, request);
        self.0.extend_from_slice(&operation.to_le_bytes());
        self.0.extend_from_slice(&kind.to_le_bytes());
        self.counted(payload);
        self.finish(start);
    }

    /// The result of an operation is no longer wanted.
    pub fn operation_cancel(&mut self, request: u32, operation: u32) {
        let start = self.begin(RECORD_OPERATION_CANCEL, request);
        self.0.extend_from_slice(&operation.to_le_bytes());
        self.finish(start);
    }

    /// The request is gone: the answer to `handler_cancel`, also when there was no such request.
    pub fn dropped(&mut self, request: u32) {
        let start = self.begin(RECORD_DROPPED, request);
        self.finish(start);
    }

    fn begin(&mut self, kind: u8, request: u32) -> usize {
        let start = self.0.len();
        self.0.extend_from_slice(&[0, 0, 0, 0, kind, 0, 0, 0]);
        self.0.extend_from_slice(&request.to_le_bytes());
        start
    }

    fn counted(&mut self, bytes: &[u8]) {
        self.0.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
        self.0.extend_from_slice(bytes);
    }

    fn finish(&mut self, start: usize) {
        self.set_u32(start, self.0.len() - start);
    }

    fn set_u32(&mut self, at: usize, value: usize) {
        self.0[at..at + 4].copy_from_slice(&(value as u32).to_le_bytes());
    }
}

#[cfg(test)]
mod tests;
