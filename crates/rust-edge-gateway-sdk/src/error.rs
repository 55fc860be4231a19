//! Errors a handler returns as responses.

use core::fmt;

use serde_json::json;

use crate::response::Response;

/// What went wrong, with the status the client gets; `?` works in functions that return `Result<_, HandlerError>`.
///
/// | variant | status | text |
/// | --- | --- | --- |
/// | `BadRequest` | 400 | `Bad request: …` |
/// | `ValidationError` | 400 | `Validation error: …` |
/// | `Unauthorized` | 401 | `Unauthorized: …` |
/// | `Forbidden` | 403 | `Forbidden: …` |
/// | `NotFound` | 404 | `Not found` |
/// | `NotFoundMessage` | 404 | `Not found: …` |
/// | `MethodNotAllowed` | 405 | `Method not allowed: …` |
/// | `Conflict` | 409 | `Conflict: …` |
/// | `PayloadTooLarge` | 413 | `Payload too large: …` |
/// | `SerializationError` | 500 | `Serialization error: …` |
/// | `DatabaseError` | 500 | `Database error: …` |
/// | `RedisError` | 500 | `Redis error: …` |
/// | `StorageError` | 500 | `Storage error: …` |
/// | `InternalError`, `Internal` | 500 | `Internal error: …` |
/// | `ServiceUnavailable` | 503 | `Service unavailable: …` |
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// #[handler]
/// fn handle(req: Request) -> Result<Response, HandlerError> {
///     let id: u32 = req.require_query_param("id")?;
///     if id == 0 {
///         return Err(HandlerError::ValidationError("id begins at 1".into()));
///     }
///     Ok(Response::ok(json!({ "id": id })))
/// }
///
/// let response = testing::run(handle, Request::new("GET", "/items?id=0"));
/// assert_eq!(response.status, 400);
/// assert_eq!(response.json_body::<JsonValue>().unwrap(), json!({ "error": "Validation error: id begins at 1" }));
/// ```
#[derive(Debug)]
pub enum HandlerError {
    /// The request makes no sense (400).
    BadRequest(String),
    /// The request makes sense, and breaks a rule of the application (400).
    ValidationError(String),
    /// Nobody has logged in (401).
    Unauthorized(String),
    /// Who has logged in may not (403).
    Forbidden(String),
    /// There is no such thing (404).
    NotFound,
    /// There is no such thing, and this says what was looked for (404).
    NotFoundMessage(String),
    /// The thing exists and does not take this method (405).
    MethodNotAllowed(String),
    /// The request contradicts what is there already (409).
    Conflict(String),
    /// The body is too large for this handler (413).
    PayloadTooLarge(String),
    /// Something could not be turned into JSON, or back (500).
    SerializationError(serde_json::Error),
    /// A database failed (500).
    DatabaseError(String),
    /// A Redis server failed (500).
    RedisError(String),
    /// A storage service failed (500).
    StorageError(String),
    /// Anything else (500).
    InternalError(String),
    /// The same as `InternalError`, for short (500).
    Internal(String),
    /// Something the handler needs cannot be had at the moment (503).
    ServiceUnavailable(String),
}

impl HandlerError {
    /// The HTTP status of the response.
    pub fn status_code(&self) -> u16 {
        self.describe().0
    }

    /// JSON `{"error": <Display>}` with the status of [`HandlerError::status_code`].
    pub fn to_response(&self) -> Response {
        Response::json(self.status_code(), json!({ "error": self.to_string() }))
    }

    /// Status, what `Display` begins with, and what it goes on with.
    fn describe(&self) -> (u16, &'static str, Option<&dyn fmt::Display>) {
        match self {
            HandlerError::BadRequest(message) => (400, "Bad request", Some(message)),
            HandlerError::ValidationError(message) => (400, "Validation error", Some(message)),
            HandlerError::Unauthorized(message) => (401, "Unauthorized", Some(message)),
            HandlerError::Forbidden(message) => (403, "Forbidden", Some(message)),
            HandlerError::NotFound => (404, "Not found", None),
            HandlerError::NotFoundMessage(message) => (404, "Not found", Some(message)),
            HandlerError::MethodNotAllowed(message) => (405, "Method not allowed", Some(message)),
            HandlerError::Conflict(message) => (409, "Conflict", Some(message)),
            HandlerError::PayloadTooLarge(message) => (413, "Payload too large", Some(message)),
            HandlerError::SerializationError(error) => (500, "Serialization error", Some(error)),
            HandlerError::DatabaseError(message) => (500, "Database error", Some(message)),
            HandlerError::RedisError(message) => (500, "Redis error", Some(message)),
            HandlerError::StorageError(message) => (500, "Storage error", Some(message)),
            HandlerError::InternalError(message) => (500, "Internal error", Some(message)),
            HandlerError::Internal(message) => (500, "Internal error", Some(message)),
            HandlerError::ServiceUnavailable(message) => (503, "Service unavailable", Some(message)),
        }
    }
}

impl fmt::Display for HandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.describe() {
            (_, kind, Some(message)) => write!(formatter, "{kind}: {message}"),
            (_, kind, None) => formatter.write_str(kind),
        }
    }
}

impl std::error::Error for HandlerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            HandlerError::SerializationError(error) => Some(error),
            _ => None,
        }
    }
}

impl From<serde_json::Error> for HandlerError {
    fn from(error: serde_json::Error) -> Self {
        HandlerError::SerializationError(error)
    }
}

impl From<HandlerError> for Response {
    fn from(error: HandlerError) -> Self {
        error.to_response()
    }
}
