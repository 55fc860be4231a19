use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn handle<T: Into<Request>>(req: Request) -> Response {
    Response::ok(req.path)
}

fn main() {}
