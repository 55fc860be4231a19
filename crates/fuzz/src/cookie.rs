//! Cookie headers.

use rust_edge_gateway_sdk::Request;

use crate::input::Input;

/// `input` as headers and a name to look for; then as cookies that are written, and found again.
pub fn check(input: &[u8]) {
    check_any(Input::new(input));
    check_written(Input::new(input));
}

/// What is found stands in one of the headers, behind the name.
fn check_any(mut input: Input<'_>) {
    let name = input.text();
    let mut request = Request::new("GET", "/");
    let mut headers = Vec::new();
    while !input.is_empty() {
        let header = input.text();
        request = request.with_header("Cookie", header.as_str());
        headers.push(header);
    }
    if let Some(value) = request.cookie(&name) {
        assert!(!value.contains(';'));
        let stands_in = |header: &String| {
            header.split(';').any(|cookie| {
                cookie
                    .split_once('=')
                    .is_some_and(|(other, text)| other.trim() == name && text.contains(value))
            })
        };
        assert!(headers.iter().any(stands_in));
    }
}

/// The first cookie of a name is the one that is found.
fn check_written(mut input: Input<'_>) {
    let mut cookies: Vec<(String, String)> = Vec::new();
    while !input.is_empty() {
        cookies.push((token(&input.text()), token(&input.text())));
    }
    let header = cookies
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("; ");
    let request = Request::new("GET", "/").with_header("cookie", header);
    for (name, _) in &cookies {
        let first = cookies.iter().find(|(other, _)| other == name);
        assert_eq!(request.cookie(name), first.map(|(_, value)| value.as_str()));
    }
}

/// Characters that stand for themselves in names and values.
fn token(text: &str) -> String {
    let allowed = |character: &char| character.is_alphanumeric() || "!#$%&'*+-.^_`|~".contains(*character);
    text.chars().filter(allowed).collect()
}
