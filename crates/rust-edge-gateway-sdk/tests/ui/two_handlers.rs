use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn first() -> &'static str {
    "first"
}

#[handler]
fn second() -> &'static str {
    "second"
}

fn main() {}
