//! Route: GET /users/{id}/posts
//!
//! Path and query parameters: typed, required or with a default. A parameter that cannot be read is a 400 that names it.
//! Try `/users/7/posts?page=2&tag=rust&tag=http`.

use rust_edge_gateway_sdk::prelude::*;

const PER_PAGE_MAX: u32 = 100;

#[handler]
pub async fn handle(req: Request) -> Result<Response, HandlerError> {
    let user: u32 = req.require_path_param("id")?;
    let page: u32 = req.query_param_as("page").unwrap_or(1);
    let per_page = req.query_param_as("per_page").unwrap_or(20).min(PER_PAGE_MAX);
    let tags: Vec<&String> = req.query.get_all("tag").collect();
    Ok(Response::ok(
        json!({ "user": user, "page": page, "per_page": per_page, "tags": tags }),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_typed_and_have_defaults() {
        let request = Request::new("GET", "/users/7/posts?tag=rust&tag=http&per_page=1000").with_param("id", "7");
        let answer: JsonValue = testing::run(handle, request).json_body().unwrap();
        assert_eq!(
            answer,
            json!({ "user": 7, "page": 1, "per_page": 100, "tags": ["rust", "http"] })
        );
    }

    #[test]
    fn an_id_that_is_no_number_is_refused() {
        let response = testing::run(handle, Request::new("GET", "/users/ann/posts").with_param("id", "ann"));
        assert_eq!(response.status, 400);
        assert_eq!(
            response.body_text(),
            r#"{"error":"Bad request: Invalid path parameter: id"}"#
        );
    }
}
