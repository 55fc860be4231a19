//! Queries of request targets.

use rust_edge_gateway_sdk::Request;

use crate::input::Input;
use crate::urlencoded::{assert_same, check_decoded, encoded};

/// `input` as a query, and as names and values that are encoded and decoded again.
pub fn check(input: &[u8]) {
    let text = String::from_utf8_lossy(input);
    let request = Request::new("GET", &format!("/?{text}"));
    check_decoded(text.as_bytes(), &request.query);
    for (name, _) in &request.query {
        let first = request.query.get_all(name).next();
        assert!(request.query_param(name).is_some() && request.query_param(name) == first);
    }

    let mut parts = Input::new(input);
    let mut pairs = Vec::new();
    while !parts.is_empty() {
        pairs.push((parts.text(), parts.text()));
    }
    let request = Request::new("GET", &format!("/path?{}", encoded(&pairs)));
    assert_same(&request.query, &pairs);
}
