use rust_edge_gateway_sdk::prelude::*;

#[handler]
struct Handle;

fn main() {}
