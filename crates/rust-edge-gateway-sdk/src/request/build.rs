//! Requests built by hand, for tests.

use super::Request;
use crate::pairs::Pairs;
use crate::text::urlencoded_pairs;

impl Request {
    /// A request as a test needs it; `path` may have a query.
    ///
    /// ```
    /// use rust_edge_gateway_sdk::prelude::*;
    ///
    /// let request = Request::new("POST", "/users/7/notes?draft=true")
    ///     .with_param("id", "7")
    ///     .with_header("x-api-version", "2")
    ///     .with_json(json!({ "text": "hello" }));
    /// assert_eq!(request.path, "/users/7/notes");
    /// assert_eq!(request.query_param_as("draft"), Some(true));
    /// assert_eq!(request.require_path_param::<u32>("id").unwrap(), 7);
    /// assert!(request.is_json());
    /// ```
    pub fn new(method: &str, path: &str) -> Self {
        let (path, query) = path.split_once('?').unwrap_or((path, ""));
        Request {
            method: method.to_ascii_uppercase(),
            path: path.to_owned(),
            query: urlencoded_pairs(query.as_bytes()),
            headers: Pairs::headers(),
            body: None,
            params: Pairs::new(),
            client_ip: "127.0.0.1".to_owned(),
            request_id: "test".to_owned(),
            binary_body: Vec::new(),
        }
    }

    /// Adds a query parameter.
    pub fn with_query(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.query.append(name, value);
        self
    }

    /// Adds a header.
    pub fn with_header(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Adds a parameter of the route's path pattern.
    pub fn with_param(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.params.append(name, value);
        self
    }

    /// Sets the body.
    pub fn with_body(mut self, body: impl Into<Vec<u8>>) -> Self {
        self.set_body(body.into());
        self
    }

    /// Sets the body to JSON, and the content type with it.
    ///
    /// # Panics
    /// When the value cannot be serialized.
    pub fn with_json<T: serde::Serialize>(mut self, value: T) -> Self {
        self.headers.insert("content-type", "application/json");
        self.with_body(serde_json::to_vec(&value).expect("the value can be serialized"))
    }

    /// Sets the client's address.
    pub fn with_client_ip(mut self, client_ip: impl Into<String>) -> Self {
        self.client_ip = client_ip.into();
        self
    }
}
