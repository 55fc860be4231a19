//! What a handler answers.

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::json;

use crate::error::HandlerError;
use crate::json;
use crate::pairs::Pairs;

const JSON: &str = "application/json";

/// An HTTP response: status, headers, body.
///
/// The gateway adds `content-length` and the like itself and drops those a handler sets.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// let response = Response::created(json!({ "id": 7 }))
///     .with_header("location", "/items/7")
///     .append_header("set-cookie", "a=1")
///     .append_header("set-cookie", "b=2");
/// assert_eq!(response.status, 201);
/// assert_eq!(response.header("Content-Type").unwrap(), "application/json");
/// assert_eq!(response.headers.get_all("set-cookie").count(), 2);
/// assert_eq!(response.body_text(), r#"{"id":7}"#);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// HTTP status, 200 to 599.
    pub status: u16,
    /// Header fields; names are compared without case.
    pub headers: Pairs,
    /// The body's bytes.
    pub body: Vec<u8>,
}

impl Response {
    /// A response without headers and body.
    pub fn new(status: u16) -> Self {
        Response {
            status,
            headers: Pairs::headers(),
            body: Vec::new(),
        }
    }

    /// 200 with JSON.
    pub fn ok<T: Serialize>(value: T) -> Self {
        Self::json(200, value)
    }

    /// JSON; what cannot be serialized becomes a 500 that says so.
    pub fn json<T: Serialize>(status: u16, value: T) -> Self {
        match json::write(value) {
            Ok(body) => Self::binary(status, body, JSON),
            Err(error) => Self::error(500, HandlerError::SerializationError(error).to_string()),
        }
    }

    /// Plain text, UTF-8.
    pub fn text(status: u16, text: impl Into<String>) -> Self {
        Self::binary(status, text.into(), "text/plain; charset=utf-8")
    }

    /// HTML, UTF-8.
    pub fn html(status: u16, html: impl Into<String>) -> Self {
        Self::binary(status, html.into(), "text/html; charset=utf-8")
    }

    /// Bytes of any content type.
    ///
    /// ```
    /// # use rust_edge_gateway_sdk::prelude::*;
    /// let response = Response::binary(200, vec![0x89, b'P', b'N', b'G'], "image/png");
    /// assert_eq!(response.body_bytes().len(), 4);
    /// ```
    pub fn binary(status: u16, bytes: impl Into<Vec<u8>>, content_type: impl Into<String>) -> Self {
        let mut headers = Pairs::with_capacity(2, true);
        headers.append("content-type", content_type);
        Response {
            status,
            headers,
            body: bytes.into(),
        }
    }

    /// 201 with JSON.
    pub fn created<T: Serialize>(value: T) -> Self {
        Self::json(201, value)
    }

    /// 202 with JSON.
    pub fn accepted<T: Serialize>(value: T) -> Self {
        Self::json(202, value)
    }

    /// 204.
    pub fn no_content() -> Self {
        Self::new(204)
    }

    /// Sends the client to `url`; the status is 301, 302, 303, 307 or 308.
    pub fn redirect(status: u16, url: impl Into<String>) -> Self {
        Self::new(status).with_header("location", url)
    }

    /// 400 with `{"error": message}`.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::error(400, message)
    }

    /// 401 with `{"error": message}`.
    pub fn unauthorized(message: impl Into<String>) -> Self {
        Self::error(401, message)
    }

    /// 403 with `{"error": message}`.
    pub fn forbidden(message: impl Into<String>) -> Self {
        Self::error(403, message)
    }

    /// 404 with `{"error": "Not found"}`.
    pub fn not_found() -> Self {
        Self::error(404, "Not found")
    }

    /// 404 with `{"error": message}`.
    pub fn not_found_msg(message: impl Into<String>) -> Self {
        Self::error(404, message)
    }

    /// 409 with `{"error": message}`.
    pub fn conflict(message: impl Into<String>) -> Self {
        Self::error(409, message)
    }

    /// 500 with `{"error": message}`.
    pub fn internal_error(message: impl Into<String>) -> Self {
        Self::error(500, message)
    }

    /// 503 with `{"error": message}`.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::error(503, message)
    }

    fn error(status: u16, message: impl Into<String>) -> Self {
        Self::json(status, json!({ "error": message.into() }))
    }

    /// Sets a header, in place of those of the same name.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.insert(name, value);
        self
    }

    /// Adds a header beside those of the same name, as several `Set-Cookie` need it.
    pub fn append_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Sets the body and leaves the content type as it is.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        self
    }

    /// Lets pages of `origin` (`*`: of any origin) use this response.
    pub fn with_cors(self, origin: impl Into<String>) -> Self {
        let origin = origin.into();
        let any_origin = origin == "*";
        let response = self
            .with_header("access-control-allow-origin", origin)
            .with_header("access-control-allow-methods", "GET, POST, PUT, PATCH, DELETE, OPTIONS")
            .with_header("access-control-allow-headers", "Content-Type, Authorization");
        if any_origin {
            response
        } else {
            response.append_header("vary", "origin")
        }
    }

    /// Lets clients and caches keep this response for `secs` seconds; 0: nobody may.
    pub fn with_cache(self, secs: u32) -> Self {
        match secs {
            0 => self.with_header("cache-control", "no-store"),
            _ => self.with_header("cache-control", format!("public, max-age={secs}")),
        }
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&String> {
        self.headers.get(name)
    }

    /// The body's bytes.
    pub fn body_bytes(&self) -> &[u8] {
        &self.body
    }

    /// The body as text; what is not UTF-8 is replaced.
    pub fn body_text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body's JSON.
    pub fn json_body<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        json::read(&self.body)
    }
}

impl Default for Response {
    /// 200 without headers and body.
    fn default() -> Self {
        Self::new(200)
    }
}
