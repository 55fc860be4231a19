//! Host operations: what a handler waits for and the host does, such as a timer.
//!
//! ```text
//! first poll of an Operation ── Ask::Start ──► outbox ──► host
//!                       Shared::complete ◄── result ──── host
//! dropped before that ──────── Ask::Cancel ──► outbox ──► host
//! ```
//!
//! Everything is behind locks, although an image has one thread: so futures of handlers stay `Send`, and the same code
//! serves tests, which have many. A lock nobody contends costs a few nanoseconds.

use core::future::Future;
use core::pin::Pin;
use core::sync::atomic::{AtomicBool, Ordering::Relaxed};
use core::task::{Context as TaskContext, Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What the host has to be told of an operation.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Ask {
    Start {
        request: u32,
        operation: u32,
        kind: u32,
        payload: Vec<u8>,
    },
    Cancel {
        request: u32,
        operation: u32,
    },
}

/// What the host has not been told yet.
#[derive(Debug, Default)]
pub(crate) struct Outbox(Mutex<Vec<Ask>>);

impl Outbox {
    fn push(&self, ask: Ask) {
        locked(&self.0).push(ask);
    }

    pub(crate) fn take(&self) -> Vec<Ask> {
        core::mem::take(&mut locked(&self.0))
    }
}

/// Result of an operation: 0 or a negative errno, and bytes whose meaning depends on its kind.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Outcome {
    pub status: i32,
    pub payload: Vec<u8>,
}

#[derive(Debug)]
enum Progress {
    Waiting(Waker),
    Done(Outcome),
}

/// One request, as its context, its operations and whoever runs it share it.
#[derive(Debug)]
pub(crate) struct Shared {
    /// The number the host gave the request.
    pub request: u32,
    /// Milliseconds of `CLOCK_MONOTONIC`.
    pub deadline_ms: f64,
    /// The request is being dropped.
    pub dropped: AtomicBool,
    outbox: Arc<Outbox>,
    operations: Mutex<Operations>,
}

#[derive(Debug, Default)]
struct Operations {
    last: u32,
    started: Vec<(u32, Progress)>,
}

impl Operations {
    fn find(&mut self, operation: u32) -> Option<usize> {
        self.started.iter().position(|(number, _)| *number == operation)
    }
}

impl Shared {
    pub(crate) fn new(request: u32, deadline_ms: f64, outbox: Arc<Outbox>) -> Arc<Self> {
        let dropped = AtomicBool::new(false);
        Arc::new(Shared {
            request,
            deadline_ms,
            dropped,
            outbox,
            operations: Mutex::default(),
        })
    }

    /// Hands a result over and wakes whoever waits for it; `false` when nobody does.
    pub(crate) fn complete(&self, operation: u32, outcome: Outcome) -> bool {
        let mut operations = locked(&self.operations);
        let Some(at) = operations.find(operation) else {
            return false;
        };
        let before = core::mem::replace(&mut operations.started[at].1, Progress::Done(outcome));
        drop(operations);
        if let Progress::Waiting(waker) = before {
            waker.wake();
        }
        true
    }

    pub(crate) fn mark_dropped(&self) {
        self.dropped.store(true, Relaxed);
    }

    fn start(&self, kind: u32, payload: Vec<u8>, waker: &Waker) -> u32 {
        let mut operations = locked(&self.operations);
        let operation = operations.last.wrapping_add(1);
        operations.last = operation;
        operations.started.push((operation, Progress::Waiting(waker.clone())));
        self.outbox.push(Ask::Start {
            request: self.request,
            operation,
            kind,
            payload,
        });
        operation
    }

    fn poll(&self, operation: u32, waker: &Waker) -> Poll<Outcome> {
        let mut operations = locked(&self.operations);
        let at = operations
            .find(operation)
            .expect("an operation stays in the list until its result is taken");
        if let Progress::Waiting(known) = &mut operations.started[at].1 {
            known.clone_from(waker);
            return Poll::Pending;
        }
        match operations.started.swap_remove(at).1 {
            Progress::Done(outcome) => Poll::Ready(outcome),
            Progress::Waiting(_) => unreachable!("looked at above, under the same lock"),
        }
    }

    fn abandon(&self, operation: u32) {
        let mut operations = locked(&self.operations);
        let Some(at) = operations.find(operation) else { return };
        if let (_, Progress::Waiting(_)) = operations.started.swap_remove(at) {
            self.outbox.push(Ask::Cancel {
                request: self.request,
                operation,
            });
        }
    }
}

/// A lock whose holder panicked guards plain data that is whole at every moment.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// An operation of the host: begins with the first poll, is cancelled when dropped.
#[derive(Debug)]
pub(crate) struct Operation {
    shared: Arc<Shared>,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    New { kind: u32, payload: Vec<u8> },
    Started(u32),
    Finished,
}

impl Operation {
    pub(crate) fn new(shared: Arc<Shared>, kind: u32, payload: Vec<u8>) -> Self {
        Operation {
            shared,
            stage: Stage::New { kind, payload },
        }
    }
}

impl Future for Operation {
    type Output = Outcome;

    fn poll(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> Poll<Outcome> {
        match &mut self.stage {
            Stage::New { kind, payload } => {
                let (kind, payload) = (*kind, core::mem::take(payload));
                self.stage = Stage::Started(self.shared.start(kind, payload, context.waker()));
                Poll::Pending
            }
            Stage::Started(operation) => {
                let operation = *operation;
                let polled = self.shared.poll(operation, context.waker());
                if polled.is_ready() {
                    self.stage = Stage::Finished;
                }
                polled
            }
            Stage::Finished => panic!("an operation was polled after it had finished"),
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if let Stage::Started(operation) = self.stage {
            self.shared.abandon(operation);
        }
    }
}
