use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Response {
    Response::text(200, req.body_ref().len().to_string())
}
