//! Bodies of forms: any bytes.

use rust_edge_gateway_sdk::Request;

use crate::input::Input;
use crate::urlencoded::{assert_same, check_decoded, encoded};

const FORM: &str = "application/x-www-form-urlencoded";

/// `input` as a body, and as names and values that are encoded and decoded again.
pub fn check(input: &[u8]) {
    let request = Request::new("POST", "/")
        .with_header("content-type", FORM)
        .with_body(input);
    assert_eq!(request.body_bytes(), input);
    check_decoded(input, &request.form().expect("any bytes are a form"));

    let mut parts = Input::new(input);
    let mut pairs = Vec::new();
    while !parts.is_empty() {
        pairs.push((parts.text(), parts.text()));
    }
    // A pair of two empty texts is encoded as `=`, which is a pair again.
    let request = Request::new("POST", "/")
        .with_header("content-type", FORM)
        .with_body(encoded(&pairs));
    assert_same(&request.form().expect("an encoded form"), &pairs);
}
