//! Reads request frames from standard input, each behind a u32 with its length, and answers each with a reply record that
//! tells what was read: the gateway's encoder and decoder are tested against it.
//!
//! Status: 200, or 400 for what is no frame. Headers: those of the request whose names and values are UTF-8. Body: every
//! part of the request behind a u32 with its length: deadline, request, method, path, query, request id, client address,
//! body, then the names and values of headers and of parameters.

use std::io::{self, Read, Write};

use rust_edge_gateway_abi::frame::{RecordWriter, RequestFrame};

fn main() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let mut output = Vec::new();
    let mut rest = &input[..];
    while let Some((length, after)) = rest.split_first_chunk() {
        let (frame, after) = after.split_at(u32::from_le_bytes(*length) as usize);
        answer(frame, &mut output);
        rest = after;
    }
    io::stdout().write_all(&output)
}

fn answer(bytes: &[u8], output: &mut Vec<u8>) {
    let mut writer = RecordWriter(output);
    let Some(frame) = RequestFrame::parse(bytes) else {
        return writer.reply(0, 400, std::iter::empty(), b"");
    };
    let headers = frame
        .headers
        .filter_map(|(name, value)| Some((std::str::from_utf8(name).ok()?, std::str::from_utf8(value).ok()?)));
    writer.reply(frame.request, 200, headers, &parts(&frame));
}

fn parts(frame: &RequestFrame<'_>) -> Vec<u8> {
    let mut dump = Vec::new();
    let mut add = |part: &[u8]| {
        dump.extend((part.len() as u32).to_le_bytes());
        dump.extend(part);
    };
    add(&frame.deadline_ms.to_le_bytes());
    add(&frame.request.to_le_bytes());
    for part in [
        frame.method,
        frame.path,
        frame.query,
        frame.request_id,
        frame.client_ip,
        frame.body,
    ] {
        add(part);
    }
    for (name, value) in frame.headers.chain(frame.params) {
        add(name);
        add(value);
    }
    dump
}
