use rust_edge_gateway_sdk::prelude::*;

#[handler(GET, "/hello")]
fn handle(req: Request) -> Response {
    Response::ok(req.path)
}

fn main() {}
