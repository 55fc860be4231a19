//! Frames as the gateway writes them, and frames as it never would.

use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::*;

/// `POST /a%20b?q=1` of two headers and one parameter, with body `hi`.
fn request_frame() -> Vec<u8> {
    let mut frame = Vec::new();
    frame.extend(1234.5f64.to_le_bytes());
    frame.extend([7u32, 2, 6, 3].iter().flat_map(|number| number.to_le_bytes()));
    frame.extend([4u16, 2, 9, 2, 1, 0].iter().flat_map(|number| number.to_le_bytes()));
    frame.extend([4u16, 1, 3, 0, 2, 2].iter().flat_map(|number| number.to_le_bytes()));
    frame.extend(b"POST/a%20bq=1r1127.0.0.1HosthX-Aid42hi");
    frame
}

#[test]
fn a_request_frame_is_taken_apart() {
    let bytes = request_frame();
    let frame = RequestFrame::parse(&bytes).unwrap();
    assert_eq!((frame.deadline_ms, frame.request), (1234.5, 7));
    assert_eq!(
        (frame.method, frame.path, frame.query),
        (&b"POST"[..], &b"/a%20b"[..], &b"q=1"[..])
    );
    assert_eq!(
        (frame.request_id, frame.client_ip, frame.body),
        (&b"r1"[..], &b"127.0.0.1"[..], &b"hi"[..])
    );
    assert_eq!(frame.headers.len(), 2);
    assert!(frame.headers.eq([(&b"Host"[..], &b"h"[..]), (&b"X-A"[..], &b""[..])]));
    assert!(frame.params.eq([(&b"id"[..], &b"42"[..])]));
}

#[test]
fn every_frame_that_is_cut_or_longer_is_refused() {
    let bytes = request_frame();
    for len in 0..bytes.len() {
        assert!(RequestFrame::parse(&bytes[..len]).is_none(), "{len}");
    }
    assert!(RequestFrame::parse(&[&bytes[..], b"x"].concat()).is_none());
}

#[test]
fn no_bytes_make_a_decoder_panic() {
    let frame = request_frame();
    // Each byte in turn at its extremes: lengths that are far too large, and that add up wrongly.
    for at in 0..frame.len() {
        for value in [0x00, 0x7f, 0x80, 0xff] {
            let mut damaged = frame.clone();
            damaged[at] = value;
            if let Some(parsed) = RequestFrame::parse(&damaged) {
                assert!(parsed.headers.count() + parsed.params.count() <= 3);
            }
        }
    }
    for len in 0..64 {
        let bytes = vec![0xff; len];
        assert!(RequestFrame::parse(&bytes).is_none());
        assert!(ResumeFrame::parse(&bytes).is_none());
        assert_eq!(CancelFrame::parse(&bytes).is_some(), len >= 8);
    }
}

#[test]
fn a_resume_frame_has_exactly_its_payload() {
    let frame = [
        &[7, 0, 0, 0, 2, 0, 0, 0, 0xda, 0xff, 0xff, 0xff, 3, 0, 0, 0][..],
        b"abc",
    ]
    .concat();
    let expected = ResumeFrame {
        request: 7,
        operation: 2,
        status: -38,
        payload: b"abc",
    };
    assert_eq!(ResumeFrame::parse(&frame), Some(expected));
    assert_eq!(ResumeFrame::parse(&frame[..18]), None);
}

#[test]
fn records_follow_one_another_each_with_its_length() {
    let mut output = Vec::new();
    let mut writer = RecordWriter(&mut output);
    writer.operation(1, 2, OPERATION_SLEEP, &[9; 8]);
    writer.operation_cancel(1, 2);
    writer.panic(3, "boom", &[0x1234, 0x5678]);
    writer.dropped(4);
    writer.reply(5, 200, [("a", "b")].into_iter(), b"body");
    let mut rest = &output[..];
    let mut records = Vec::new();
    while !rest.is_empty() {
        let (record, after) = rest.split_at(u32_at(rest, 0).unwrap() as usize);
        records.push((record[4], u32_at(record, 8).unwrap(), record.len()));
        rest = after;
    }
    assert_eq!(records, [(3, 1, 32), (4, 1, 16), (2, 3, 36), (5, 4, 12), (1, 5, 32)]);
}

#[test]
fn a_header_cannot_pass_for_two() {
    let mut output = Vec::new();
    RecordWriter(&mut output).reply(1, 200, [("x\0y", "1\0set-cookie\0a=b")].into_iter(), b"");
    assert_eq!(String::from_utf8_lossy(&output[24..]), "x\ny\x001\nset-cookie\na=b\0");
}
