use rust_edge_gateway_sdk::prelude::*;

#[handler]
async fn handle(req: Request) {
    info!("{}", req.path);
}

fn main() {}
