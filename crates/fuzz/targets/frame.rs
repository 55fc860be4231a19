//! See [`rust_edge_gateway_fuzz::frame`].
#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| rust_edge_gateway_fuzz::frame::check(input));
