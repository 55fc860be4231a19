use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Response {
    Response::binary(200, req.body_bytes(), "application/octet-stream")
}
