//! Runs handlers in tests, without a gateway: `cargo test` in the handler's folder.
//!
//! ```
//! use rust_edge_gateway_sdk::prelude::*;
//!
//! #[handler]
//! pub async fn handle(ctx: &Context, req: Request) -> Result<Response, HandlerError> {
//!     let name: String = req.require_query_param("name")?;
//!     ctx.log(LogLevel::Info, format!("greeting {name}"));
//!     Ok(Response::ok(json!({ "hello": name })))
//! }
//!
//! // In a handler's file this is a function with #[test], in a module with #[cfg(test)].
//! let response = testing::run(handle, Request::new("GET", "/hello?name=ann"));
//! assert_eq!(response.status, 200);
//! assert_eq!(response.json_body::<JsonValue>().unwrap(), json!({ "hello": "ann" }));
//!
//! let response = testing::run(handle, Request::new("GET", "/hello"));
//! assert_eq!(response.body_text(), r#"{"error":"Bad request: Missing query parameter: name"}"#);
//! ```

use core::future::Future;
use core::pin::pin;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::{Context as TaskContext, Poll, Waker};
use core::time::Duration;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::task::Wake;

use rust_edge_gateway_abi::frame::OPERATION_SLEEP;

use crate::context::{monotonic_ms, Context};
use crate::handler::Handler;
use crate::operation::{Ask, Outbox, Outcome, Shared};
use crate::request::Request;
use crate::response::Response;

/// What a request in a test may take, as the gateway's default.
const TIMEOUT_MS: f64 = 30_000.0;

/// Runs a handler until it answers.
///
/// Time passes as the handler waits for it: `ctx.sleep` of an hour takes no time at all. A panic of the handler is one
/// of the test.
pub fn run<Form>(handler: impl Handler<Form>, request: Request) -> Response {
    run_timed(handler, request).0
}

/// Runs a handler and says how long it waited: the time `ctx.sleep` would have taken, sleeps at the same time counted
/// once.
///
/// # Panics
/// When the handler waits for something that cannot come.
pub fn run_timed<Form>(handler: impl Handler<Form>, request: Request) -> (Response, Duration) {
    let outbox = Arc::new(Outbox::default());
    let shared = Shared::new(1, monotonic_ms() + TIMEOUT_MS, Arc::clone(&outbox));
    let context = Context::new(request.request_id.clone(), Arc::clone(&shared));
    let mut response = pin!(handler.respond(context, request));
    let woken = Arc::new(Flag(AtomicBool::new(false)));
    let waker = Waker::from(Arc::clone(&woken));
    let mut clock = Clock::default();
    loop {
        if let Poll::Ready(response) = response.as_mut().poll(&mut TaskContext::from_waker(&waker)) {
            return (response, clock.now);
        }
        outbox.take().into_iter().for_each(|ask| clock.take(ask));
        // A future that woke itself is polled again before time passes.
        if !woken.0.swap(false, Relaxed) {
            let operation = clock
                .advance()
                .expect("the handler waits for something that cannot come");
            shared.complete(
                operation,
                Outcome {
                    status: 0,
                    payload: Vec::new(),
                },
            );
        }
    }
}

struct Flag(AtomicBool);

impl Wake for Flag {
    fn wake(self: Arc<Self>) {
        self.0.store(true, Relaxed);
    }
}

/// The clock of a test: it stands still but when everything waits.
#[derive(Default)]
struct Clock {
    now: Duration,
    /// Operations by the time they end and their number.
    sleeps: BTreeSet<(Duration, u32)>,
}

impl Clock {
    fn take(&mut self, ask: Ask) {
        match ask {
            Ask::Start {
                operation,
                kind: OPERATION_SLEEP,
                payload,
                ..
            } => {
                let nanoseconds = payload.try_into().map_or(0, u64::from_le_bytes);
                self.sleeps
                    .insert((self.now + Duration::from_nanos(nanoseconds), operation));
            }
            Ask::Start { kind, .. } => panic!("tests have no host operation {kind}"),
            Ask::Cancel { operation, .. } => self.sleeps.retain(|(_, sleeping)| *sleeping != operation),
        }
    }

    /// Goes to the end of the sleep that ends first, and gives its operation.
    fn advance(&mut self) -> Option<u32> {
        let (end, operation) = self.sleeps.pop_first()?;
        self.now = end;
        Some(operation)
    }
}
