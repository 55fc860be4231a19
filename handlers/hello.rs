//! Route: GET /hello
//!
//! The smallest useful endpoint: a function from a request to JSON. Try `/hello?name=Ann`.

use rust_edge_gateway_sdk::prelude::*;

#[handler]
pub async fn handle(req: Request) -> Response {
    let name = req.query_param("name").map_or("world", |name| name);
    Response::ok(json!({ "message": format!("Hello, {name}!") }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(path: &str) -> JsonValue {
        testing::run(handle, Request::new("GET", path)).json_body().unwrap()
    }

    #[test]
    fn the_world_is_greeted() {
        assert_eq!(message("/hello"), json!({ "message": "Hello, world!" }));
    }

    #[test]
    fn whoever_has_a_name_is_greeted_by_it() {
        assert_eq!(message("/hello?name=Ann"), json!({ "message": "Hello, Ann!" }));
    }
}
