use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(_req: Request) -> Response {
    Response::text(200, "Hello, world!")
}
