use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Response {
    Response::ok(json!({
        "user": req.path_param("user"),
        "order": req.path_param("order"),
        "limit": req.query_param("limit"),
        "sort": req.query_param("sort"),
    }))
}
