//! Bodies of forms with files.

use rust_edge_gateway_sdk::{Multipart, Request};

use crate::input::Input;

/// More parts are refused.
const PARTS_MAX: usize = 1000;

/// `input` as a boundary and a body; then as parts that are written, and found again.
pub fn check(input: &[u8]) {
    check_any(Input::new(input));
    check_written(Input::new(input));
}

fn parse(boundary: &str, body: Vec<u8>) -> Option<Multipart> {
    let request = Request::new("POST", "/")
        .with_header("content-type", format!("multipart/form-data; boundary=\"{boundary}\""))
        .with_body(body);
    request.multipart().ok()
}

/// Parts stand in the body one after the other, and none holds a boundary.
fn check_any(mut input: Input<'_>) {
    let boundary = boundary_of(&mut input);
    let body = input.rest();
    let Some(form) = parse(&boundary, body.to_vec()) else {
        return;
    };
    assert!(form.parts().len() <= PARTS_MAX);
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut rest = body;
    for part in form.parts() {
        assert!(find(&part.bytes, &delimiter).is_none());
        let at = find(rest, &part.bytes).expect("the part's content stands behind the part before it");
        rest = &rest[at + part.bytes.len()..];
    }
}

fn check_written(mut input: Input<'_>) {
    let boundary = boundary_of(&mut input);
    let delimiter = format!("\r\n--{boundary}").into_bytes();
    let mut parts = Vec::new();
    while !input.is_empty() && parts.len() < PARTS_MAX {
        let (name, is_file, content) = (name(&input.text()), input.byte() % 2 == 1, input.bytes());
        // Writers choose a boundary that does not occur; the line breaks around the content are part of what it could be.
        let around = [b"\r\n", content, &delimiter[..]].concat();
        if find(&around, &delimiter) == Some(2 + content.len()) {
            parts.push((name, is_file, content));
        }
    }
    let mut body = Vec::new();
    for (name, is_file, content) in &parts {
        let file = if *is_file { "; filename=\"a.bin\"" } else { "" };
        body.extend(format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend(*content);
        body.extend(b"\r\n");
    }
    body.extend(format!("--{boundary}--\r\n").bytes());
    let form = parse(&boundary, body).expect("a form as browsers write it");
    assert_eq!(form.parts().len(), parts.len());
    for (part, (name, is_file, content)) in form.parts().iter().zip(parts) {
        assert_eq!((&part.name, &part.bytes[..]), (&name, content));
        assert_eq!(part.file_name.as_deref(), is_file.then_some("a.bin"));
    }
}

/// A boundary of 1 to 70 characters.
fn boundary_of(input: &mut Input<'_>) -> String {
    let boundary: String = name(&input.text()).chars().filter(char::is_ascii).take(70).collect();
    if boundary.is_empty() {
        "b".to_owned()
    } else {
        boundary
    }
}

/// What may stand between quotes without being escaped.
fn name(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control() && !"\"\\".contains(*character))
        .collect()
}

fn find(text: &[u8], what: &[u8]) -> Option<usize> {
    if what.is_empty() {
        return Some(0);
    }
    text.windows(what.len()).position(|window| window == what)
}
