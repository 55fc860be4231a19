//! The runtime without a host: frames in, records out.

use core::future::pending;
use core::time::Duration;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::sync::Mutex;

use super::*;
use crate::join::join_all;

/// A record: its kind, the request, and what follows.
#[derive(Debug, PartialEq, Eq)]
struct Record {
    kind: u8,
    request: u32,
    rest: Vec<u8>,
}

const REPLY: u8 = 1;
const PANIC: u8 = 2;
const OPERATION: u8 = 3;
const OPERATION_CANCEL: u8 = 4;
const DROPPED: u8 = 5;

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap())
}

impl Runtime {
    fn records(&self) -> Vec<Record> {
        let mut output = vec![0; 1 << 16];
        let len = usize::try_from(self.deliver(&mut output)).unwrap();
        let mut rest = &output[..len];
        let mut records = Vec::new();
        while !rest.is_empty() {
            let (record, after) = rest.split_at(u32_at(rest, 0) as usize);
            records.push(Record {
                kind: record[4],
                request: u32_at(record, 8),
                rest: record[12..].to_vec(),
            });
            rest = after;
        }
        records
    }

    fn kinds(&self) -> Vec<(u8, u32)> {
        self.records()
            .iter()
            .map(|record| (record.kind, record.request))
            .collect()
    }
}

/// A GET request for `/path?query`, without headers and body.
fn request_frame(request: u32, query: &str) -> Vec<u8> {
    let mut frame = vec![0; 36];
    frame[..8].copy_from_slice(&f64::INFINITY.to_le_bytes());
    frame[8..12].copy_from_slice(&request.to_le_bytes());
    frame[16..20].copy_from_slice(&5u32.to_le_bytes());
    frame[20..24].copy_from_slice(&(query.len() as u32).to_le_bytes());
    frame[24..26].copy_from_slice(&3u16.to_le_bytes());
    frame.extend_from_slice(b"GET/path");
    frame.extend_from_slice(query.as_bytes());
    frame
}

fn resume_frame(request: u32, operation: u32) -> Vec<u8> {
    [request, operation, 0, 0].map(u32::to_le_bytes).concat()
}

fn cancel_frame(request: u32) -> Vec<u8> {
    [request, 1].map(u32::to_le_bytes).concat()
}

fn boxed(future: impl Future<Output = Response> + 'static) -> HandlerFuture {
    Box::pin(future)
}

fn sleeper(context: Context, _: Request) -> HandlerFuture {
    boxed(async move {
        context.sleep(Duration::from_nanos(7)).await;
        Response::text(200, "slept")
    })
}

fn three_sleeps(context: Context, _: Request) -> HandlerFuture {
    boxed(async move {
        join_all((1..=3).map(|n| context.sleep(Duration::from_nanos(n)))).await;
        Response::no_content()
    })
}

#[test]
fn a_request_is_answered_with_status_headers_and_body() {
    let runtime = Runtime::new();
    let echo: Start = |_, request| {
        boxed(async move {
            Response::text(
                201,
                format!("{} {} {:?}", request.method, request.path, request.query.get("a")),
            )
        })
    };
    runtime.start(&request_frame(7, "a=1"), echo);
    let records = runtime.records();
    assert_eq!(
        (records[0].kind, records[0].request, &records[0].rest[..2]),
        (REPLY, 7, &201u16.to_le_bytes()[..])
    );
    let text = String::from_utf8_lossy(&records[0].rest).into_owned();
    assert!(
        text.ends_with("content-type\0text/plain; charset=utf-8\0GET /path Some(\"1\")"),
        "{text}"
    );
}

#[test]
fn output_waits_until_there_is_room_for_it() {
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), |_, _| {
        boxed(async { Response::text(200, "x".repeat(1000)) })
    });
    let needed = usize::try_from(-runtime.deliver(&mut [0; 10])).unwrap();
    assert!(needed > 1000);
    assert_eq!(runtime.deliver(&mut vec![0; needed]), needed as i64);
    assert_eq!(runtime.deliver(&mut []), 0);
}

#[test]
fn an_operation_suspends_its_request_and_its_result_resumes_it() {
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), sleeper);
    runtime.start(&request_frame(2, ""), sleeper);
    let asked = runtime.records();
    assert_eq!(
        asked
            .iter()
            .map(|record| (record.kind, record.request))
            .collect::<Vec<_>>(),
        [(OPERATION, 1), (OPERATION, 2)]
    );
    assert_eq!(
        asked[0].rest,
        [&[1, 0, 0, 0, 1, 0, 0, 0, 8, 0, 0, 0][..], &7u64.to_le_bytes()].concat()
    );
    runtime.resume(&resume_frame(2, 1));
    assert_eq!(runtime.kinds(), [(REPLY, 2)]);
    runtime.resume(&resume_frame(2, 1));
    runtime.resume(&resume_frame(1, 9));
    assert_eq!(runtime.kinds(), []);
    runtime.resume(&resume_frame(1, 1));
    assert_eq!(runtime.kinds(), [(REPLY, 1)]);
}

#[test]
fn joined_operations_run_at_once_and_end_in_any_order() {
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), three_sleeps);
    assert_eq!(runtime.kinds(), [(OPERATION, 1); 3]);
    runtime.resume(&resume_frame(1, 3));
    runtime.resume(&resume_frame(1, 1));
    assert_eq!(runtime.kinds(), []);
    runtime.resume(&resume_frame(1, 2));
    assert_eq!(runtime.kinds(), [(REPLY, 1)]);
}

#[test]
fn a_cancelled_request_cancels_its_operations_and_sees_it() {
    static SEEN: AtomicU32 = AtomicU32::new(0);
    struct Guard(Context);
    impl Drop for Guard {
        fn drop(&mut self) {
            SEEN.store(if self.0.is_cancelled() { 1 } else { 2 }, Relaxed);
        }
    }
    let guarded: Start = |context, _| {
        boxed(async move {
            let guard = Guard(context);
            guard.0.sleep(Duration::from_nanos(1)).await;
            Response::no_content()
        })
    };
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), guarded);
    runtime.records();
    runtime.cancel(&cancel_frame(1));
    assert_eq!(runtime.kinds(), [(OPERATION_CANCEL, 1), (DROPPED, 1)]);
    assert_eq!(SEEN.load(Relaxed), 1);
    runtime.cancel(&cancel_frame(1));
    runtime.resume(&resume_frame(1, 1));
    assert_eq!(runtime.kinds(), [(DROPPED, 1)]);
}

#[test]
fn a_panic_is_reported_and_leaves_the_others_alone() {
    let runtime = Runtime::new();
    let panicking: Start = |context, _| {
        boxed(async move {
            let _operation_left_behind = core::pin::pin!(context.sleep(Duration::from_nanos(1)))
                .as_mut()
                .poll(&mut TaskContext::from_waker(Waker::noop()));
            panic!("boom {}", 7)
        })
    };
    runtime.start(&request_frame(1, ""), sleeper);
    runtime.start(&request_frame(2, ""), panicking);
    let records = runtime.records();
    let kinds: Vec<_> = records.iter().map(|record| (record.kind, record.request)).collect();
    assert_eq!(
        kinds,
        [(OPERATION, 1), (OPERATION, 2), (OPERATION_CANCEL, 2), (PANIC, 2)]
    );
    assert_eq!(records[3].rest, [&6u32.to_le_bytes()[..], b"boom 7"].concat());
    runtime.resume(&resume_frame(1, 1));
    assert_eq!(runtime.kinds(), [(REPLY, 1)]);
}

#[test]
fn a_panic_while_a_request_is_dropped_changes_nothing() {
    struct PanicInDrop;
    impl Drop for PanicInDrop {
        fn drop(&mut self) {
            panic!("in drop");
        }
    }
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), |_, _| {
        boxed(async {
            let _guard = PanicInDrop;
            pending().await
        })
    });
    runtime.cancel(&cancel_frame(1));
    assert_eq!(runtime.kinds(), [(DROPPED, 1)]);
}

#[test]
fn a_request_that_is_woken_by_another_is_polled() {
    static SHARED: Mutex<(Option<Waker>, bool)> = Mutex::new((None, false));
    let waiting: Start = |_, _| {
        boxed(core::future::poll_fn(|context| {
            let mut shared = SHARED.lock().unwrap();
            shared.0 = Some(context.waker().clone());
            if shared.1 {
                Poll::Ready(Response::no_content())
            } else {
                Poll::Pending
            }
        }))
    };
    let waking: Start = |_, _| {
        boxed(async {
            let mut shared = SHARED.lock().unwrap();
            shared.1 = true;
            shared.0.take().unwrap().wake();
            Response::no_content()
        })
    };
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), waiting);
    assert_eq!(runtime.kinds(), []);
    runtime.start(&request_frame(2, ""), waking);
    assert_eq!(runtime.kinds(), [(REPLY, 2), (REPLY, 1)]);
}

#[test]
fn frames_that_make_no_sense_are_answered_or_ignored() {
    let runtime = Runtime::new();
    let mut damaged = request_frame(9, "");
    damaged.push(0);
    runtime.start(&damaged, sleeper);
    runtime.start(&[], sleeper);
    assert_eq!(runtime.kinds(), [(PANIC, 9), (PANIC, 0)]);
    runtime.resume(&[1, 2, 3]);
    runtime.cancel(&[]);
    assert_eq!(runtime.kinds(), []);
}

#[test]
fn the_end_drops_what_waits() {
    let runtime = Runtime::new();
    runtime.start(&request_frame(1, ""), sleeper);
    runtime.end();
    assert_eq!(runtime.kinds(), []);
    runtime.resume(&resume_frame(1, 1));
    assert_eq!(runtime.kinds(), []);
}
