//! What a handler may return.

use crate::error::HandlerError;
use crate::response::Response;

/// What a handler may return.
///
/// | returned | response |
/// | --- | --- |
/// | `Response` | itself |
/// | `Result<T, E>` | that of the `T` or the `E` |
/// | `HandlerError` | [`HandlerError::to_response`] |
/// | `Option<T>` | that of the `T`, or 404 |
/// | `JsonValue` | 200 with the JSON |
/// | `&'static str`, `String` | 200 with plain text |
/// | `Vec<u8>` | 200 with `application/octet-stream` |
/// | `(u16, T)` | that of the `T`, with this status |
/// | `()` | 204 |
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// struct Teapot;
///
/// impl IntoResponse for Teapot {
///     fn into_response(self) -> Response {
///         Response::text(418, "short and stout")
///     }
/// }
///
/// #[handler]
/// fn handle() -> Teapot {
///     Teapot
/// }
///
/// assert_eq!(testing::run(handle, Request::new("GET", "/")).status, 418);
/// ```
#[diagnostic::on_unimplemented(
    message = "a handler cannot return `{Self}`",
    label = "`{Self}` is not a response",
    note = "return `Response`, `Result<Response, HandlerError>`, `JsonValue` or text, or implement `IntoResponse` for `{Self}`"
)]
pub trait IntoResponse {
    /// Turns the value into a response.
    fn into_response(self) -> Response;
}

impl IntoResponse for Response {
    fn into_response(self) -> Response {
        self
    }
}

impl<T: IntoResponse, E: IntoResponse> IntoResponse for Result<T, E> {
    fn into_response(self) -> Response {
        match self {
            Ok(value) => value.into_response(),
            Err(error) => error.into_response(),
        }
    }
}

impl IntoResponse for HandlerError {
    fn into_response(self) -> Response {
        self.to_response()
    }
}

impl<T: IntoResponse> IntoResponse for Option<T> {
    fn into_response(self) -> Response {
        self.map_or_else(Response::not_found, T::into_response)
    }
}

impl IntoResponse for serde_json::Value {
    fn into_response(self) -> Response {
        Response::ok(self)
    }
}

impl IntoResponse for &'static str {
    fn into_response(self) -> Response {
        Response::text(200, self)
    }
}

impl IntoResponse for String {
    fn into_response(self) -> Response {
        Response::text(200, self)
    }
}

impl IntoResponse for Vec<u8> {
    fn into_response(self) -> Response {
        Response::binary(200, self, "application/octet-stream")
    }
}

impl<T: IntoResponse> IntoResponse for (u16, T) {
    fn into_response(self) -> Response {
        Response {
            status: self.0,
            ..self.1.into_response()
        }
    }
}

impl IntoResponse for () {
    fn into_response(self) -> Response {
        Response::no_content()
    }
}
