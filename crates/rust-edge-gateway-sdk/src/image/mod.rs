//! The inside of an image: what the library of a handler brings with it, so that it can be loaded, called, left in the
//! middle of anything, and taken away.
//!
//! Only [`__image!`](crate::__image), which `#[handler]` writes into the handler's library, makes this code take effect;
//! a test binary that links the SDK keeps its own allocator and its own libc.

mod arena;
mod descriptors;
pub mod entry;
mod exports;
pub mod heap;
pub(crate) mod host;
mod one_thread;
mod output;
pub mod overrides;
mod ready;
mod runtime;
mod tls;

pub use runtime::{HandlerFuture, Start};
pub use rust_edge_gateway_abi::ABI_VERSION;
