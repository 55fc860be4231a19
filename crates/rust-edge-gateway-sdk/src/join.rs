//! Waiting for several futures at once.

use core::future::Future;
use core::pin::Pin;
use core::task::{Context as TaskContext, Poll, Waker};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Wake;

/// Awaits several futures at once and gives all their results, as a tuple.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
/// use std::time::Duration;
///
/// #[handler]
/// async fn handle(ctx: &Context) -> String {
///     let name = async {
///         ctx.sleep(Duration::from_millis(20)).await;
///         "ann"
///     };
///     let count = async {
///         ctx.sleep(Duration::from_millis(30)).await;
///         7
///     };
///     let (name, count) = join!(name, count);
///     format!("{name}: {count}")
/// }
///
/// let (response, waited) = testing::run_timed(handle, Request::new("GET", "/"));
/// assert_eq!(response.body_text(), "ann: 7");
/// assert_eq!(waited, Duration::from_millis(30));
/// ```
#[macro_export]
macro_rules! join {
    ($($future:expr),+ $(,)?) => { $crate::join::join(($($future,)+)).await };
}

/// The future behind [`join!`], for tuples of up to 12 futures.
#[doc(hidden)]
pub fn join<T: JoinTuple>(futures: T) -> impl Future<Output = T::Outputs> {
    futures.join()
}

/// A tuple of futures.
#[doc(hidden)]
pub trait JoinTuple {
    /// The tuple of their results.
    type Outputs;

    /// Awaits all of them.
    fn join(self) -> impl Future<Output = Self::Outputs>;
}

macro_rules! join_tuples {
    ($($first:ident $($rest:ident)*)?) => { $(
        #[allow(non_snake_case, reason = "the name of a future's type is also that of the future")]
        impl<$first: Future, $($rest: Future),*> JoinTuple for ($first, $($rest,)*) {
            type Outputs = ($first::Output, $($rest::Output,)*);

            async fn join(self) -> Self::Outputs {
                let ($first, $($rest,)*) = self;
                let mut $first = core::pin::pin!(Joined::Waiting($first));
                $(let mut $rest = core::pin::pin!(Joined::Waiting($rest));)*
                core::future::poll_fn(|context| {
                    let mut ready = true;
                    ready &= $first.as_mut().poll_done(context);
                    $(ready &= $rest.as_mut().poll_done(context);)*
                    if ready { Poll::Ready(()) } else { Poll::Pending }
                })
                .await;
                ($first.take(), $($rest.take(),)*)
            }
        }
        join_tuples!($($rest)*);
    )? };
}
join_tuples!(A B C D E F G H I J K L);

/// A future, then its result, then nothing.
enum Joined<F: Future> {
    Waiting(F),
    Done(Option<F::Output>),
}

impl<F: Future> Joined<F> {
    fn poll_done(mut self: Pin<&mut Self>, context: &mut TaskContext<'_>) -> bool {
        // SAFETY: the future is not moved out of the reference; it is dropped in place when `set` replaces it.
        let Joined::Waiting(future) = (unsafe { self.as_mut().get_unchecked_mut() }) else {
            return true;
        };
        // SAFETY: `self` is pinned, and the future is a part of it that is never moved.
        match unsafe { Pin::new_unchecked(future) }.poll(context) {
            Poll::Ready(output) => {
                self.set(Joined::Done(Some(output)));
                true
            }
            Poll::Pending => false,
        }
    }

    fn take(self: Pin<&mut Self>) -> F::Output {
        // SAFETY: only the result is moved, and nothing pins a result: `poll_done` hands it out by value.
        match unsafe { self.get_unchecked_mut() } {
            Joined::Done(output) => output.take().expect("a result is taken once"),
            Joined::Waiting(_) => unreachable!("all futures are done before results are taken"),
        }
    }
}

/// Awaits any number of futures at once and gives their results, in the order of the futures.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
/// use std::time::Duration;
///
/// #[handler]
/// async fn handle(ctx: &Context) -> JsonValue {
///     let squares = (1..=3).map(|n| async move {
///         ctx.sleep(Duration::from_millis(10 * n)).await;
///         n * n
///     });
///     json!(join_all(squares).await)
/// }
///
/// let (response, waited) = testing::run_timed(handle, Request::new("GET", "/"));
/// assert_eq!(response.body_text(), "[1,4,9]");
/// assert_eq!(waited, Duration::from_millis(30));
/// ```
pub async fn join_all<F: Future>(futures: impl IntoIterator<Item = F>) -> Vec<F::Output> {
    let mut futures: Vec<Pin<Box<F>>> = futures.into_iter().map(Box::pin).collect();
    let mut outputs: Vec<Option<F::Output>> = futures.iter().map(|_| None).collect();
    let woken = Arc::new(Woken {
        children: Mutex::new((0..futures.len()).collect()),
        parent: Mutex::new(None),
    });
    let wakers: Vec<Waker> = (0..futures.len()).map(|child| Woken::waker(&woken, child)).collect();
    let mut missing = futures.len();
    core::future::poll_fn(|context| {
        woken.set_parent(context.waker());
        // Only those that were woken: polling all of them each time is quadratic.
        for child in woken.take() {
            if outputs[child].is_some() {
                continue;
            }
            if let Poll::Ready(output) = futures[child]
                .as_mut()
                .poll(&mut TaskContext::from_waker(&wakers[child]))
            {
                outputs[child] = Some(output);
                missing -= 1;
            }
        }
        if missing == 0 {
            Poll::Ready(())
        } else {
            Poll::Pending
        }
    })
    .await;
    outputs.into_iter().flatten().collect()
}

/// Which children of a [`join_all`] want to be polled, and whom to tell.
struct Woken {
    children: Mutex<Vec<usize>>,
    parent: Mutex<Option<Waker>>,
}

impl Woken {
    fn waker(woken: &Arc<Self>, child: usize) -> Waker {
        Waker::from(Arc::new(ChildWaker {
            child,
            woken: Arc::clone(woken),
        }))
    }

    fn set_parent(&self, waker: &Waker) {
        *self.parent.lock().unwrap_or_else(PoisonError::into_inner) = Some(waker.clone());
    }

    fn take(&self) -> Vec<usize> {
        core::mem::take(&mut self.children.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

struct ChildWaker {
    child: usize,
    woken: Arc<Woken>,
}

impl Wake for ChildWaker {
    fn wake(self: Arc<Self>) {
        self.woken
            .children
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(self.child);
        let parent = self.woken.parent.lock().unwrap_or_else(PoisonError::into_inner).clone();
        if let Some(parent) = parent {
            parent.wake();
        }
    }
}
