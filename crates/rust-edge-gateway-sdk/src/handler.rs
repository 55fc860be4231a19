//! The forms a handler can have, for [`crate::testing`].

use core::future::Future;

use crate::context::Context;
use crate::into_response::IntoResponse;
use crate::request::Request;
use crate::response::Response;

/// A function with one of the forms `#[handler]` takes; `Form` tells them apart and is never named.
#[diagnostic::on_unimplemented(
    message = "this function cannot be a handler",
    note = "a handler is `fn(ctx: &Context, req: Request) -> Response` or a shorter form, `async` or not"
)]
pub trait Handler<Form> {
    /// Answers a request.
    fn respond(&self, context: Context, request: Request) -> impl Future<Output = Response>;
}

/// Marks the forms that are not `async`.
#[derive(Debug)]
pub struct Plain;

/// Marks the forms that are `async`.
#[derive(Debug)]
pub struct Async;

// The names of the two values come from outside, so that the expressions of each form can see them.
macro_rules! handler_forms {
    ($context:ident, $request:ident: $(($($argument:ty = $value:expr),*))*) => { $(
        impl<F: Fn($($argument),*) -> R, R: IntoResponse> Handler<(Plain, R, fn($($argument),*))> for F {
            async fn respond(&self, $context: Context, $request: Request) -> Response {
                let _ = (&$context, &$request);
                self($($value),*).into_response()
            }
        }

        impl<F: AsyncFn($($argument),*) -> R, R: IntoResponse> Handler<(Async, R, fn($($argument),*))> for F {
            async fn respond(&self, $context: Context, $request: Request) -> Response {
                let _ = (&$context, &$request);
                self($($value),*).await.into_response()
            }
        }
    )* };
}

handler_forms! { context, request:
    ()
    (&Context = &context)
    (Request = request)
    (&Request = &request)
    (&Context = &context, Request = request)
    (&Context = &context, &Request = &request)
    (Request = request, &Context = &context)
    (&Request = &request, &Context = &context)
}
