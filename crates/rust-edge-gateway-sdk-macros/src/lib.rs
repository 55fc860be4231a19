//! The `#[handler]` attribute of Rust Edge Gateway; authors use it through `rust_edge_gateway_sdk`.

mod expand;
mod signature;

use proc_macro::TokenStream;

/// Makes a function the handler of an endpoint; a file has one.
///
/// The function has any name, is `async` or not, takes `ctx: &Context` and `req: Request` or only one of them or
/// nothing, and returns anything that implements `IntoResponse`. It stays an ordinary function that tests can call.
#[proc_macro_attribute]
pub fn handler(attribute: TokenStream, item: TokenStream) -> TokenStream {
    expand::handler(attribute.into(), item.into()).into()
}
