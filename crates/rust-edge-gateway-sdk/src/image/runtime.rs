//! The requests of an image: starts them, polls them, drops them, and writes what the host has to know.
//!
//! One thread polls everything, and only what was woken. A handler that waits holds its place in `tasks` and nothing
//! else, so thousands can wait at once.

use core::any::Any;
use core::cell::RefCell;
use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::collections::BTreeMap;
use std::panic::{catch_unwind, AssertUnwindSafe, PanicHookInfo};
use std::sync::Arc;

use rust_edge_gateway_abi::frame::{CancelFrame, RecordWriter, RequestFrame, ResumeFrame};

use super::host::{self, Host};
use super::ready::Ready;
use crate::context::Context;
use crate::operation::{Ask, Outbox, Outcome, Shared};
use crate::request::Request;
use crate::response::Response;

/// A request being answered.
pub type HandlerFuture = Pin<Box<dyn Future<Output = Response>>>;

/// Starts a request; written by `#[handler]` for each handler.
pub type Start = fn(Context, Request) -> HandlerFuture;

/// Output beyond this is given back to the heap once it is delivered.
const OUTPUT_BYTES_KEPT: usize = 1 << 20;

struct Task {
    future: HandlerFuture,
    shared: Arc<Shared>,
    waker: Waker,
}

/// What the panic hook saw of a panic.
#[derive(Default)]
struct PanicNote {
    message: String,
    /// See [`Host::trace`](super::host::Host::trace).
    trace: Vec<u64>,
}

/// Everything that runs in an image.
pub(crate) struct Runtime {
    tasks: RefCell<BTreeMap<u32, Task>>,
    ready: Arc<Ready>,
    outbox: Arc<Outbox>,
    output: RefCell<Vec<u8>>,
    last_panic: RefCell<PanicNote>,
}

impl Runtime {
    pub fn new() -> Self {
        Runtime {
            tasks: RefCell::default(),
            ready: Arc::default(),
            outbox: Arc::default(),
            output: RefCell::default(),
            last_panic: RefCell::default(),
        }
    }

    /// Starts the request of a request frame.
    pub fn start(&self, frame: &[u8], start: Start) {
        let Some(frame) = RequestFrame::parse(frame) else {
            // Its number stands at a fixed place; a frame too short to have one is answered as request 0.
            let number = frame
                .get(8..12)
                .map_or(0, |bytes| u32::from_le_bytes(bytes.try_into().unwrap_or_default()));
            return self.record(|writer| writer.panic(number, "the request frame makes no sense", &[]));
        };
        let shared = Shared::new(frame.request, frame.deadline_ms, Arc::clone(&self.outbox));
        let request = Request::from_frame(&frame);
        let context = Context::new(request.request_id.clone(), Arc::clone(&shared));
        let waker = Ready::waker(&self.ready, frame.request);
        self.poll(
            frame.request,
            Task {
                future: start(context, request),
                shared,
                waker,
            },
        );
        self.poll_ready();
    }

    /// Hands over the result of a resume frame. A request that is gone has no use for it.
    pub fn resume(&self, frame: &[u8]) {
        let Some(frame) = ResumeFrame::parse(frame) else { return };
        let shared = self
            .tasks
            .borrow()
            .get(&frame.request)
            .map(|task| Arc::clone(&task.shared));
        if let Some(shared) = shared {
            shared.complete(
                frame.operation,
                Outcome {
                    status: frame.status,
                    payload: frame.payload.to_vec(),
                },
            );
        }
        self.poll_ready();
    }

    /// Drops the request of a cancel frame.
    pub fn cancel(&self, frame: &[u8]) {
        let Some(CancelFrame { request, .. }) = CancelFrame::parse(frame) else {
            return;
        };
        let task = self.tasks.borrow_mut().remove(&request);
        if let Some(task) = task {
            self.drop_task(task);
        }
        self.record(|writer| writer.dropped(request));
        self.poll_ready();
    }

    /// Drops all requests; there is nobody left to tell.
    pub fn end(&self) {
        let tasks = self.tasks.take();
        for task in tasks.into_values() {
            self.drop_task(task);
        }
        self.output.take();
    }

    /// Writes the output to `room`: its bytes, or `-n` when `n` bytes wait that do not fit.
    pub fn deliver(&self, room: &mut [u8]) -> i64 {
        let mut output = self.output.borrow_mut();
        let Some(place) = room.get_mut(..output.len()) else {
            return -(output.len() as i64);
        };
        place.copy_from_slice(&output);
        let delivered = output.len() as i64;
        output.clear();
        output.shrink_to(OUTPUT_BYTES_KEPT);
        delivered
    }

    /// Keeps what is known of a panic until its request is answered; called by the panic hook.
    pub fn note_panic(&self, panic: &PanicHookInfo<'_>) {
        let message = panic_message(panic.payload()).unwrap_or("a panic without a message");
        let message = match panic.location() {
            Some(at) => format!("{message}, {}:{}:{}", at.file(), at.line(), at.column()),
            None => message.to_owned(),
        };
        let trace = host::table().map(Host::trace).unwrap_or_default();
        self.last_panic.replace(PanicNote { message, trace });
    }

    /// Polls what was woken, also by one another, until everything waits.
    fn poll_ready(&self) {
        while let Some(request) = self.ready.pop() {
            let task = self.tasks.borrow_mut().remove(&request);
            if let Some(task) = task {
                self.poll(request, task);
            }
        }
    }

    fn poll(&self, request: u32, mut task: Task) {
        self.last_panic.take();
        let future = task.future.as_mut();
        let mut context = TaskContext::from_waker(&task.waker);
        match catch_unwind(AssertUnwindSafe(|| future.poll(&mut context))) {
            Ok(Poll::Pending) => {
                self.tasks.borrow_mut().insert(request, task);
                self.record_asks();
            }
            Ok(Poll::Ready(response)) => {
                self.finish_task(task);
                let headers = response
                    .headers
                    .iter()
                    .map(|(name, value)| (name.as_str(), value.as_str()));
                self.record(|writer| writer.reply(request, response.status, headers, &response.body));
            }
            Err(payload) => {
                let PanicNote { message, trace } = self.take_panic(&*payload);
                drop_quietly(payload);
                self.drop_task(task);
                self.record(|writer| writer.panic(request, &message, &trace));
            }
        }
    }

    fn take_panic(&self, payload: &(dyn Any + Send)) -> PanicNote {
        let mut note = self.last_panic.take();
        if note.message.is_empty() {
            // The hook is not called for a panic that was caught and goes on.
            note.message = panic_message(payload).unwrap_or("a panic without a message").to_owned();
        }
        note
    }

    /// Drops a task before its end; what it holds can see that it is dropped.
    fn drop_task(&self, task: Task) {
        task.shared.mark_dropped();
        self.finish_task(task);
    }

    /// Drops a task, and cancels the operations it leaves behind.
    fn finish_task(&self, task: Task) {
        drop_quietly(task.future);
        self.record_asks();
    }

    fn record_asks(&self) {
        for ask in self.outbox.take() {
            self.record(|writer| match ask {
                Ask::Start {
                    request,
                    operation,
                    kind,
                    payload,
                } => writer.operation(request, operation, kind, &payload),
                Ask::Cancel { request, operation } => writer.operation_cancel(request, operation),
            });
        }
    }

    fn record(&self, write: impl FnOnce(&mut RecordWriter<'_>)) {
        write(&mut RecordWriter(&mut self.output.borrow_mut()));
    }
}

/// The text a panic was raised with; `None` for a value that is no text.
fn panic_message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Drops a handler's value, whose `drop` may panic.
fn drop_quietly<T>(value: T) {
    if let Err(payload) = catch_unwind(AssertUnwindSafe(|| drop(value))) {
        // The payload's own drop may panic as well; the image ends soon and takes it along.
        core::mem::forget(payload);
    }
}

#[cfg(test)]
mod tests;
