use rust_edge_gateway_sdk::prelude::*;
use std::time::Duration;

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Response {
    let ms = req.query_param_as("ms").unwrap_or(0);
    ctx.sleep(Duration::from_millis(ms)).await;
    Response::text(200, "slept")
}
