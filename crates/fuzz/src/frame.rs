//! The frames of the ABI: parsers take any bytes, and what they take is what was written.

use rust_edge_gateway_abi::frame::{CancelFrame, Pairs, RecordWriter, RequestFrame, ResumeFrame, REQUEST_HEADER_BYTES};

use crate::input::Input;

const RECORD_HEADER_BYTES: usize = 12;

/// Checks the parsers on `input` itself, and the writer on records made of it.
pub fn check(input: &[u8]) {
    check_request(input);
    check_resume(input);
    check_cancel(input);
    check_records(Input::new(input));
}

/// A frame that parses is written again to the same bytes.
fn check_request(bytes: &[u8]) {
    let Some(frame) = RequestFrame::parse(bytes) else {
        return;
    };
    let reserved = &bytes[34..36];
    assert_eq!(written(&frame, reserved), bytes);
}

fn written(frame: &RequestFrame<'_>, reserved: &[u8]) -> Vec<u8> {
    let mut bytes = frame.deadline_ms.to_le_bytes().to_vec();
    for number in [
        frame.request as usize,
        frame.body.len(),
        frame.path.len(),
        frame.query.len(),
    ] {
        bytes.extend((number as u32).to_le_bytes());
    }
    let counts = [frame.headers.len(), frame.params.len()];
    for number in [frame.method.len(), frame.request_id.len(), frame.client_ip.len()]
        .into_iter()
        .chain(counts)
    {
        bytes.extend((number as u16).to_le_bytes());
    }
    bytes.extend(reserved);
    assert_eq!(bytes.len(), REQUEST_HEADER_BYTES);
    let pairs = || frame.headers.chain(frame.params);
    for (name, value) in pairs() {
        bytes.extend((name.len() as u16).to_le_bytes());
        bytes.extend((value.len() as u16).to_le_bytes());
    }
    for part in [frame.method, frame.path, frame.query, frame.request_id, frame.client_ip] {
        bytes.extend(part);
    }
    bytes.extend(texts(frame.headers));
    bytes.extend(texts(frame.params));
    bytes.extend(frame.body);
    bytes
}

fn texts(pairs: Pairs<'_>) -> Vec<u8> {
    let announced = pairs.len();
    let texts: Vec<_> = pairs.map(|(name, value)| [name, value].concat()).collect();
    assert_eq!(texts.len(), announced, "as many pairs as the frame announces");
    texts.concat()
}

fn check_resume(bytes: &[u8]) {
    let Some(frame) = ResumeFrame::parse(bytes) else { return };
    let mut again = Vec::new();
    for number in [
        frame.request,
        frame.operation,
        frame.status as u32,
        frame.payload.len() as u32,
    ] {
        again.extend(number.to_le_bytes());
    }
    again.extend(frame.payload);
    assert_eq!(again, bytes);
}

fn check_cancel(bytes: &[u8]) {
    let Some(frame) = CancelFrame::parse(bytes) else {
        assert!(bytes.len() < 8);
        return;
    };
    assert_eq!(
        [frame.request.to_le_bytes(), frame.reason.to_le_bytes()].concat(),
        bytes[..8]
    );
}

/// What a record has to be read as.
struct Expected {
    kind: u8,
    request: u32,
    content: Vec<u8>,
}

/// Records one after the other are read as what was written.
fn check_records(mut input: Input<'_>) {
    let mut output = Vec::new();
    let mut expected = Vec::new();
    while !input.is_empty() {
        expected.push(write_one(&mut RecordWriter(&mut output), &mut input));
    }
    let mut rest = &output[..];
    for Expected { kind, request, content } in expected {
        let len = u32_at(rest, 0) as usize;
        assert_eq!((rest[4], &rest[5..8], u32_at(rest, 8)), (kind, &[0; 3][..], request));
        assert_eq!(rest[RECORD_HEADER_BYTES..len], content);
        rest = &rest[len..];
    }
    assert!(rest.is_empty());
}

fn write_one(writer: &mut RecordWriter<'_>, input: &mut Input<'_>) -> Expected {
    let (what, request) = (input.byte() % 5, u32::from(input.short()));
    let content = match what {
        0 => write_reply(writer, request, input),
        1 => {
            let (message, frames) = (input.text(), input.byte() % 4);
            let trace: Vec<u64> = (0..frames).map(|_| u64::from(input.short())).collect();
            writer.panic(request, &message, &trace);
            let offsets = trace.iter().flat_map(|offset| offset.to_le_bytes());
            counted(message.as_bytes()).into_iter().chain(offsets).collect()
        }
        2 => {
            let (operation, kind, payload) = (u32::from(input.short()), u32::from(input.byte()), input.bytes());
            writer.operation(request, operation, kind, payload);
            [&operation.to_le_bytes()[..], &kind.to_le_bytes(), &counted(payload)].concat()
        }
        3 => {
            let operation = u32::from(input.short());
            writer.operation_cancel(request, operation);
            operation.to_le_bytes().to_vec()
        }
        _ => {
            writer.dropped(request);
            Vec::new()
        }
    };
    Expected {
        kind: what + 1,
        request,
        content,
    }
}

/// No byte of a name or value is a NUL, so that the block has as many as it has names and values.
fn write_reply(writer: &mut RecordWriter<'_>, request: u32, input: &mut Input<'_>) -> Vec<u8> {
    let (status, pairs) = (input.short(), input.byte() % 8);
    let headers: Vec<(String, String)> = (0..pairs).map(|_| (input.text(), input.text())).collect();
    let body = input.bytes();
    let borrowed = headers.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    writer.reply(request, status, borrowed, body);
    let block: String = headers
        .iter()
        .flat_map(|(name, value)| [name, value])
        .map(|text| text.replace('\0', "\n") + "\0")
        .collect();
    let lengths = [(block.len() as u32).to_le_bytes(), (body.len() as u32).to_le_bytes()].concat();
    [&status.to_le_bytes()[..], &[0, 0], &lengths, block.as_bytes(), body].concat()
}

fn counted(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u32).to_le_bytes()[..], bytes].concat()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}
