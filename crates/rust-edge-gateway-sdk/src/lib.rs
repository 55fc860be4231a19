//! Write an HTTP endpoint as one Rust function; Rust Edge Gateway compiles it, serves it, and replaces it while traffic
//! flows.
//!
//! ```
//! use rust_edge_gateway_sdk::prelude::*;
//!
//! #[handler]
//! pub async fn handle(ctx: &Context, req: Request) -> Response {
//!     info!("request {}", ctx.request_id);
//!     let name = req.query_param("name").map_or("world", |name| name);
//!     Response::ok(json!({ "message": format!("Hello, {name}!") }))
//! }
//!
//! let response = testing::run(handle, Request::new("GET", "/hello"));
//! assert_eq!(response.body_text(), r#"{"message":"Hello, world!"}"#);
//! ```
//!
//! # Where a handler runs
//! The library a handler is compiled to is loaded once for each worker thread. Each copy, an *image*, has its own
//! statics, its own heap, and one thread; many requests can be suspended in it at once. So statics need no locks that
//! wait, and they are gone when the endpoint sleeps, is replaced, or a fault took the image.
//!
//! What would outlive the image is refused with an error the handler sees: threads, processes, signal handlers, changes
//! of the environment or of the working directory, mapped memory, closing files it did not open. What the handler prints
//! becomes lines of its log.

#[cfg(not(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")))]
compile_error!("Rust Edge Gateway runs on x86_64 Linux with glibc");

mod context;
mod cookie;
mod error;
mod form;
mod handler;
mod header_parameter;
#[doc(hidden)]
pub mod image;
mod into_response;
#[doc(hidden)]
pub mod join;
mod json;
#[doc(hidden)]
pub mod log;
mod multipart;
mod operation;
mod pairs;
pub mod prelude;
mod request;
mod response;
pub mod testing;
mod text;

pub use context::{Context, Sleep};
pub use error::HandlerError;
pub use handler::Handler;
pub use into_response::IntoResponse;
pub use join::join_all;
pub use log::LogLevel;
pub use multipart::{Multipart, Part};
pub use pairs::{Iter, Pairs};
pub use request::Request;
pub use response::Response;
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// #[handler]
/// pub async fn handle(ctx: &Context, req: Request) -> Response {
///     Response::ok(json!({ "path": req.path, "request": ctx.request_id }))
/// }
///
/// assert_eq!(testing::run(handle, Request::new("GET", "/hello")).status, 200);
/// ```
pub use rust_edge_gateway_sdk_macros::handler;
