use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn handle(first: Request, second: &Request) -> Response {
    Response::ok(json!([first.path, second.path]))
}

fn main() {}
