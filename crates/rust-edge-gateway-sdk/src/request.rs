//! What a client asked.

mod build;

use core::str::FromStr;

use rust_edge_gateway_abi::frame::RequestFrame;
use serde::de::DeserializeOwned;

use crate::error::HandlerError;
use crate::multipart::Multipart;
use crate::pairs::Pairs;
use crate::text::{from_wire, urlencoded_pairs};
use crate::{cookie, form, json};

/// An HTTP request.
///
/// Text from the client is taken as UTF-8 where it is valid; of anything else each byte becomes the character of the
/// same value. In tests requests are built by hand, see [`Request::new`].
#[derive(Debug, Clone)]
pub struct Request {
    /// Method in upper case.
    pub method: String,
    /// Path as the client sent it, percent-encoded, without the query.
    pub path: String,
    /// Query parameters, decoded.
    pub query: Pairs,
    /// Header fields; names are compared without case.
    pub headers: Pairs,
    /// The body when there is one and it is UTF-8; [`Request::body_bytes`] has it always.
    pub body: Option<String>,
    /// Parameters of the route's path pattern, decoded: `id` of `/users/{id}`.
    pub params: Pairs,
    /// Address of the client.
    pub client_ip: String,
    /// The id that stands in the response's `x-request-id` and in the log.
    pub request_id: String,
    /// The body when it is not UTF-8.
    binary_body: Vec<u8>,
}

impl Request {
    pub(crate) fn from_frame(frame: &RequestFrame<'_>) -> Self {
        let mut request = Request {
            method: from_wire(frame.method),
            path: from_wire(frame.path),
            query: urlencoded_pairs(frame.query),
            headers: pairs_from_wire(frame.headers, true),
            body: None,
            params: pairs_from_wire(frame.params, false),
            client_ip: from_wire(frame.client_ip),
            request_id: from_wire(frame.request_id),
            binary_body: Vec::new(),
        };
        request.set_body(frame.body.to_vec());
        request
    }

    fn set_body(&mut self, body: Vec<u8>) {
        (self.body, self.binary_body) = match String::from_utf8(body) {
            Ok(text) if text.is_empty() => (None, Vec::new()),
            Ok(text) => (Some(text), Vec::new()),
            Err(not_utf8) => (None, not_utf8.into_bytes()),
        };
    }

    /// The body's bytes, exactly as sent; empty without a body.
    pub fn body_bytes(&self) -> Vec<u8> {
        self.body_ref().to_vec()
    }

    /// The same as [`Request::body_bytes`] without a copy.
    pub fn body_ref(&self) -> &[u8] {
        self.body.as_ref().map_or(&self.binary_body, |text| text.as_bytes())
    }

    /// The body's JSON, whatever the content type says.
    ///
    /// # Errors
    /// `BadRequest("Invalid JSON: …")`, also when fields are missing or of another type.
    ///
    /// ```
    /// use rust_edge_gateway_sdk::prelude::*;
    ///
    /// #[derive(Deserialize)]
    /// struct Note {
    ///     text: String,
    /// }
    ///
    /// let note: Note = Request::new("POST", "/").with_json(json!({ "text": "hello" })).json()?;
    /// assert_eq!(note.text, "hello");
    ///
    /// let error = Request::new("POST", "/").with_body("{").json::<Note>().err().unwrap();
    /// assert!(error.to_string().starts_with("Bad request: Invalid JSON: "));
    /// # Ok::<(), HandlerError>(())
    /// ```
    pub fn json<T: DeserializeOwned>(&self) -> Result<T, HandlerError> {
        json::read(self.body_ref()).map_err(|error| HandlerError::BadRequest(format!("Invalid JSON: {error}")))
    }

    /// The first value of a query parameter.
    pub fn query_param(&self, name: &str) -> Option<&String> {
        self.query.get(name)
    }

    /// A query parameter as a `T`; `None` also when it cannot be read as one.
    pub fn query_param_as<T: FromStr>(&self, name: &str) -> Option<T> {
        self.query_param(name)?.parse().ok()
    }

    /// A query parameter the handler cannot do without.
    ///
    /// # Errors
    /// `BadRequest`: `Missing query parameter: …` or `Invalid query parameter: …`.
    pub fn require_query_param<T: FromStr>(&self, name: &str) -> Result<T, HandlerError> {
        required(self.query_param(name), "query parameter", name)
    }

    /// A parameter of the route's path pattern.
    pub fn path_param(&self, name: &str) -> Option<&String> {
        self.params.get(name)
    }

    /// A path parameter as a `T`; `None` also when it cannot be read as one.
    pub fn path_param_as<T: FromStr>(&self, name: &str) -> Option<T> {
        self.path_param(name)?.parse().ok()
    }

    /// A path parameter the handler cannot do without.
    ///
    /// # Errors
    /// `BadRequest`: `Missing path parameter: …` or `Invalid path parameter: …`.
    pub fn require_path_param<T: FromStr>(&self, name: &str) -> Result<T, HandlerError> {
        required(self.path_param(name), "path parameter", name)
    }

    /// The first value of a header.
    pub fn header(&self, name: &str) -> Option<&String> {
        self.headers.get(name)
    }

    /// A header the handler cannot do without.
    ///
    /// # Errors
    /// `BadRequest("Missing header: …")`.
    pub fn require_header(&self, name: &str) -> Result<&String, HandlerError> {
        self.header(name).ok_or_else(|| missing("header", name))
    }

    /// Whether the request has this method, in whatever case it is written.
    pub fn is_method(&self, method: &str) -> bool {
        self.method.eq_ignore_ascii_case(method)
    }

    /// The `content-type` header, with its parameters.
    pub fn content_type(&self) -> Option<&str> {
        self.header("content-type").map(String::as_str)
    }

    /// Whether the content type is JSON: `application/json` or one that ends in `+json`.
    pub fn is_json(&self) -> bool {
        self.media_type()
            .is_some_and(|media_type| media_type == "application/json" || media_type.ends_with("+json"))
    }

    /// Whether the content type is `multipart/form-data`.
    pub fn is_multipart(&self) -> bool {
        self.media_type()
            .is_some_and(|media_type| media_type == "multipart/form-data")
    }

    /// Fields and files of a `multipart/form-data` body.
    ///
    /// # Errors
    /// `BadRequest` when the content type is another one or the body is damaged.
    pub fn multipart(&self) -> Result<Multipart, HandlerError> {
        Multipart::of(self)
    }

    /// Fields of an `application/x-www-form-urlencoded` body.
    ///
    /// # Errors
    /// `BadRequest` when the content type is another one.
    ///
    /// ```
    /// use rust_edge_gateway_sdk::prelude::*;
    ///
    /// let request = Request::new("POST", "/login")
    ///     .with_header("content-type", "application/x-www-form-urlencoded")
    ///     .with_body("user=ann&password=a%26b+c");
    /// assert_eq!(request.form()?.get("password").unwrap(), "a&b c");
    /// # Ok::<(), HandlerError>(())
    /// ```
    pub fn form(&self) -> Result<Pairs, HandlerError> {
        form::of(self)
    }

    /// The value of a cookie.
    ///
    /// ```
    /// use rust_edge_gateway_sdk::prelude::*;
    ///
    /// let request = Request::new("GET", "/").with_header("cookie", "theme=dark; session=abc123");
    /// assert_eq!(request.cookie("session"), Some("abc123"));
    /// ```
    pub fn cookie(&self, name: &str) -> Option<&str> {
        cookie::find(&self.headers, name)
    }

    /// The content type in lower case, without its parameters.
    pub(crate) fn media_type(&self) -> Option<String> {
        let media_type = self.content_type()?.split(';').next()?;
        Some(media_type.trim().to_ascii_lowercase())
    }
}

fn pairs_from_wire(pairs: rust_edge_gateway_abi::frame::Pairs<'_>, ignore_case: bool) -> Pairs {
    let mut decoded = Pairs::with_capacity(pairs.len(), ignore_case);
    for (name, value) in pairs {
        decoded.append(from_wire(name), from_wire(value));
    }
    decoded
}

fn required<T: FromStr>(value: Option<&String>, what: &str, name: &str) -> Result<T, HandlerError> {
    let value = value.ok_or_else(|| missing(what, name))?;
    value
        .parse()
        .map_err(|_| HandlerError::BadRequest(format!("Invalid {what}: {name}")))
}

fn missing(what: &str, name: &str) -> HandlerError {
    HandlerError::BadRequest(format!("Missing {what}: {name}"))
}
