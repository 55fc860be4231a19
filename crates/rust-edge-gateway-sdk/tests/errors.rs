//! The texts and statuses of errors, which clients and documentation rely on.

use rust_edge_gateway_sdk::prelude::*;

#[test]
fn every_error_has_its_text_and_status() {
    let text = || "x".to_owned();
    let not_json = serde_json::from_str::<u32>("x").unwrap_err();
    let table = [
        (HandlerError::BadRequest(text()), 400, "Bad request: x"),
        (HandlerError::ValidationError(text()), 400, "Validation error: x"),
        (HandlerError::Unauthorized(text()), 401, "Unauthorized: x"),
        (HandlerError::Forbidden(text()), 403, "Forbidden: x"),
        (HandlerError::NotFound, 404, "Not found"),
        (HandlerError::NotFoundMessage(text()), 404, "Not found: x"),
        (HandlerError::MethodNotAllowed(text()), 405, "Method not allowed: x"),
        (HandlerError::Conflict(text()), 409, "Conflict: x"),
        (HandlerError::PayloadTooLarge(text()), 413, "Payload too large: x"),
        (
            HandlerError::from(not_json),
            500,
            "Serialization error: expected value at line 1 column 1",
        ),
        (HandlerError::DatabaseError(text()), 500, "Database error: x"),
        (HandlerError::RedisError(text()), 500, "Redis error: x"),
        (HandlerError::StorageError(text()), 500, "Storage error: x"),
        (HandlerError::InternalError(text()), 500, "Internal error: x"),
        (HandlerError::Internal(text()), 500, "Internal error: x"),
        (HandlerError::ServiceUnavailable(text()), 503, "Service unavailable: x"),
    ];
    for (error, status, message) in table {
        assert_eq!((error.status_code(), error.to_string().as_str()), (status, message));
        let response = Response::from(error);
        assert_eq!(response.status, status);
        assert_eq!(response.json_body::<JsonValue>().unwrap(), json!({ "error": message }));
    }
}

#[test]
fn helpers_for_errors_have_their_status_and_message() {
    let table = [
        (Response::bad_request("x"), 400),
        (Response::unauthorized("x"), 401),
        (Response::forbidden("x"), 403),
        (Response::not_found_msg("x"), 404),
        (Response::conflict("x"), 409),
        (Response::internal_error("x"), 500),
        (Response::service_unavailable("x"), 503),
    ];
    for (response, status) in table {
        assert_eq!(
            (response.status, response.body_text().as_str()),
            (status, r#"{"error":"x"}"#)
        );
    }
    assert_eq!(Response::not_found().body_text(), r#"{"error":"Not found"}"#);
}

#[test]
fn what_is_missing_or_invalid_is_named() {
    let request = Request::new("GET", "/?page=two").with_param("id", "-1");
    let messages = [
        request.require_query_param::<u32>("limit").unwrap_err(),
        request.require_query_param::<u32>("page").unwrap_err(),
        request.require_path_param::<u32>("name").unwrap_err(),
        request.require_path_param::<u32>("id").unwrap_err(),
        request.require_header("authorization").unwrap_err(),
    ];
    assert_eq!(
        messages.map(|error| error.to_string()),
        [
            "Bad request: Missing query parameter: limit",
            "Bad request: Invalid query parameter: page",
            "Bad request: Missing path parameter: name",
            "Bad request: Invalid path parameter: id",
            "Bad request: Missing header: authorization",
        ]
    );
}
