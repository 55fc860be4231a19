//! What a handler can use beside its request.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::Ordering::Relaxed;
use core::task::{Context as TaskContext, Poll};
use core::time::Duration;
use std::sync::Arc;
use std::time::Instant;

use rust_edge_gateway_abi::frame::OPERATION_SLEEP;

use crate::log::{self, LogLevel};
use crate::operation::{Operation, Shared};

/// Longest time ahead a deadline is told as: about 30 years.
const DEADLINE_MAX: Duration = Duration::from_secs(1 << 30);

/// What a handler can use beside its request: waiting, logging, its deadline.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
/// use std::time::Duration;
///
/// #[handler]
/// async fn handle(ctx: &Context) -> Response {
///     ctx.log(LogLevel::Info, "waiting");
///     ctx.sleep(Duration::from_secs(3600)).await;
///     Response::text(200, "done")
/// }
///
/// // In a test the clock is not real: nobody waits an hour.
/// let (response, waited) = testing::run_timed(handle, Request::new("GET", "/"));
/// assert_eq!((response.status, waited), (200, Duration::from_secs(3600)));
/// ```
#[derive(Debug)]
pub struct Context {
    /// The id that stands in the response's `x-request-id` and in the log.
    pub request_id: String,
    shared: Arc<Shared>,
}

impl Context {
    pub(crate) fn new(request_id: String, shared: Arc<Shared>) -> Self {
        Context { request_id, shared }
    }

    /// Waits without keeping the worker from other requests; dropping the future ends the wait.
    ///
    /// `std::thread::sleep` in its place would hold up every request of the worker.
    pub fn sleep(&self, duration: Duration) -> Sleep {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Sleep(Operation::new(
            Arc::clone(&self.shared),
            OPERATION_SLEEP,
            nanoseconds.to_le_bytes().to_vec(),
        ))
    }

    /// Writes a line to the handler's log, at once: it survives a crash.
    pub fn log(&self, level: LogLevel, message: impl AsRef<str>) {
        log::write(level, message.as_ref());
    }

    /// When the gateway answers 504 in the handler's place.
    pub fn deadline(&self) -> Instant {
        Instant::now() + self.remaining().unwrap_or_default()
    }

    /// Whether nobody waits for the answer any more: the deadline is over, or the request is being dropped because the
    /// client has left or the gateway must stop.
    ///
    /// For long computations; a handler that waits is dropped where it waits.
    pub fn is_cancelled(&self) -> bool {
        self.shared.dropped.load(Relaxed) || self.remaining().is_none()
    }

    /// Time until the deadline; `None` when it is over.
    fn remaining(&self) -> Option<Duration> {
        let milliseconds = self.shared.deadline_ms - monotonic_ms();
        // Written so that a deadline which is not a number is none at all.
        if milliseconds <= 0.0 {
            return None;
        }
        Some(Duration::try_from_secs_f64(milliseconds / 1000.0).map_or(DEADLINE_MAX, |left| left.min(DEADLINE_MAX)))
    }
}

/// Milliseconds of `CLOCK_MONOTONIC`, the clock in which the gateway tells deadlines.
pub(crate) fn monotonic_ms() -> f64 {
    let mut now = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the call writes one timespec to the pointer it gets, which is to a live one; this clock always exists.
    unsafe { libc::clock_gettime(libc::CLOCK_MONOTONIC, &mut now) };
    now.tv_sec as f64 * 1e3 + now.tv_nsec as f64 / 1e6
}

/// Future of [`Context::sleep`].
#[derive(Debug)]
#[must_use = "a sleep begins when it is awaited"]
pub struct Sleep(Operation);

impl Future for Sleep {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<()> {
        Pin::new(&mut self.0).poll(context).map(|outcome| {
            assert!(
                outcome.status == 0,
                "the gateway could not sleep: error {}",
                outcome.status
            );
        })
    }
}
