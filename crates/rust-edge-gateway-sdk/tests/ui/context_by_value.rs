use rust_edge_gateway_sdk::prelude::*;

#[handler]
async fn handle(ctx: Context, req: Request) -> Response {
    Response::ok(json!({ "path": req.path, "id": ctx.request_id }))
}

fn main() {}
