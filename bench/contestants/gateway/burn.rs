use rust_edge_gateway_sdk::prelude::*;
use std::hint::black_box;

const STEPS: u32 = 500_000;

#[handler]
pub fn handle() -> Response {
    let mut value = black_box(1_u32);
    for _ in 0..STEPS {
        value ^= value << 13;
        value ^= value >> 17;
        value ^= value << 5;
    }
    Response::text(200, value.to_string())
}
