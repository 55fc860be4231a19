use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn handle(req: &mut Request) -> Response {
    Response::ok(&req.path)
}

fn main() {}
