use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub extern "C" fn handle(req: Request) -> Response {
    Response::ok(req.path)
}

fn main() {}
