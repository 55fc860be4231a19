use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Result<Response, HandlerError> {
    let value: JsonValue = req.json()?;
    Ok(Response::ok(value))
}
