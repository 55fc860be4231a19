//! Which requests want to be polled.

use core::task::Waker;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

/// Requests that want to be polled.
#[derive(Default)]
pub(crate) struct Ready(Mutex<VecDeque<u32>>);

impl Ready {
    /// A waker that adds `request` to those that want to be polled.
    pub fn waker(ready: &Arc<Self>, request: u32) -> Waker {
        Waker::from(Arc::new(TaskWaker {
            request,
            ready: Arc::clone(ready),
        }))
    }

    fn push(&self, request: u32) {
        let mut ready = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !ready.contains(&request) {
            ready.push_back(request);
        }
    }

    /// The one that was woken first.
    pub fn pop(&self) -> Option<u32> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

struct TaskWaker {
    request: u32,
    ready: Arc<Ready>,
}

impl Wake for TaskWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.ready.push(self.request);
    }
}
