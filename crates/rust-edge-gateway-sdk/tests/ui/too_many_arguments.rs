use rust_edge_gateway_sdk::prelude::*;

#[handler]
fn handle(ctx: &Context, req: Request, id: u32) -> Response {
    Response::ok(json!({ "path": req.path, "id": id, "request": ctx.request_id }))
}

fn main() {}
