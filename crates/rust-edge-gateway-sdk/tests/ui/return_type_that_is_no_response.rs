use rust_edge_gateway_sdk::prelude::*;

struct Note;

#[handler]
fn handle() -> Note {
    Note
}

fn main() {}
