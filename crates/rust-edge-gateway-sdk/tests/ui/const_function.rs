use rust_edge_gateway_sdk::prelude::*;

#[handler]
const fn handle() -> &'static str {
    "hello"
}

fn main() {}
