use rust_edge_gateway_sdk::prelude::*;

struct Api;

impl Api {
    #[handler]
    fn handle(&self, req: Request) -> Response {
        Response::ok(req.path)
    }
}

fn main() {}
