use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn handle(req: Request) -> Response
where
    Request: Clone,
{
    Response::ok(req.path)
}

fn main() {}
