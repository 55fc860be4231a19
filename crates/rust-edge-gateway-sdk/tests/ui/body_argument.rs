use rust_edge_gateway_sdk::prelude::*;

#[derive(Deserialize)]
struct Note {
    text: String,
}

#[handler]
fn handle(body: Note) -> Response {
    Response::ok(body.text)
}

fn main() {}
