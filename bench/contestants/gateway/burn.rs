use rust_edge_gateway_sdk::prelude::*;
use std::hint::black_box;

const STEPS: u32 = 700_000;

#[handler]
pub fn handle() -> Response {
    let mut value = black_box(1_u32);
    for _ in 0..STEPS {
        value = black_box(value.wrapping_mul(1_664_525).wrapping_add(1_013_904_223));
    }
    Response::text(200, value.to_string())
}
