//! Requests and responses as authors build and read them.

use rust_edge_gateway_sdk::prelude::*;

#[test]
fn a_body_that_is_not_utf8_is_kept_exactly() {
    let request = Request::new("POST", "/").with_body([0xff, 0x00, b'a']);
    assert_eq!(request.body, None);
    assert_eq!(request.body_bytes(), [0xff, 0x00, b'a']);
    let request = request.with_body("text");
    assert_eq!(
        (request.body.as_deref(), request.body_bytes()),
        (Some("text"), b"text".to_vec())
    );
    assert_eq!(Request::new("POST", "/").body, None);
}

#[test]
fn content_types_are_recognised_with_parameters_and_in_any_case() {
    let with_type = |content_type: &str| Request::new("POST", "/").with_header("Content-Type", content_type);
    assert!(with_type("Application/JSON; charset=utf-8").is_json());
    assert!(with_type("application/problem+json").is_json());
    assert!(!with_type("text/plain; application/json").is_json());
    assert!(with_type("multipart/form-data; boundary=x").is_multipart());
    assert!(!Request::new("POST", "/").is_multipart());
    assert_eq!(with_type("text/plain").content_type(), Some("text/plain"));
}

#[test]
fn a_form_of_another_content_type_is_refused() {
    let error = Request::new("POST", "/")
        .with_json(json!({}))
        .form()
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "Bad request: Expected content type application/x-www-form-urlencoded, got application/json"
    );
    let error = Request::new("POST", "/")
        .with_json(json!({}))
        .multipart()
        .unwrap_err()
        .to_string();
    assert_eq!(
        error,
        "Bad request: Invalid multipart body: the content type is not multipart/form-data"
    );
}

#[test]
fn pairs_replace_add_and_remove() {
    let mut headers = Pairs::headers();
    headers.append("Accept", "a");
    headers.append("accept", "b");
    assert_eq!((headers.len(), headers.get_all("ACCEPT").count()), (2, 2));
    assert_eq!(headers.insert("aCCept", "c").as_deref(), Some("a"));
    assert_eq!(
        headers.iter().collect::<Vec<_>>(),
        [(&"aCCept".to_owned(), &"c".to_owned())]
    );
    assert_eq!(headers.remove("accept").as_deref(), Some("c"));
    assert!(headers.is_empty() && !headers.contains_key("accept"));
    let mut query = Pairs::new();
    query.insert("a", "1");
    query.insert("A", "2");
    assert_eq!(query.len(), 2);
}

#[test]
fn responses_say_what_they_carry() {
    let content_type = |response: &Response| response.header("content-type").cloned();
    assert_eq!(content_type(&Response::ok(1)).as_deref(), Some("application/json"));
    assert_eq!(
        content_type(&Response::text(200, "")).as_deref(),
        Some("text/plain; charset=utf-8")
    );
    assert_eq!(
        content_type(&Response::html(200, "")).as_deref(),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(content_type(&Response::no_content()), None);
    let redirect = Response::redirect(303, "/elsewhere");
    assert_eq!(
        (redirect.status, redirect.header("Location").unwrap().as_str()),
        (303, "/elsewhere")
    );
    assert_eq!(Response::accepted(json!(null)).status, 202);
    assert_eq!(Response::new(200).with_body("abc").body_bytes(), b"abc");
}

#[test]
fn headers_for_browsers_and_caches_are_complete() {
    let any = Response::new(200).with_cors("*");
    assert_eq!(any.header("access-control-allow-origin").unwrap(), "*");
    assert!(!any.headers.contains_key("vary"));
    let one = Response::new(200).with_cors("https://example.org");
    assert_eq!(one.header("vary").unwrap(), "origin");
    assert_eq!(
        Response::new(200).with_cache(60).header("cache-control").unwrap(),
        "public, max-age=60"
    );
    assert_eq!(
        Response::new(200).with_cache(0).header("cache-control").unwrap(),
        "no-store"
    );
}

#[test]
fn what_cannot_be_serialized_is_a_500_that_says_so() {
    let response = Response::ok(std::collections::BTreeMap::from([((1, 2), 3)]));
    assert_eq!(
        (response.status, response.body_text().as_str()),
        (500, r#"{"error":"Serialization error: key must be a string"}"#)
    );
}

#[test]
#[should_panic(expected = "the handler waits for something that cannot come")]
fn a_handler_that_waits_for_ever_fails_its_test() {
    async fn handle() -> Response {
        std::future::pending().await
    }
    testing::run(handle, Request::new("GET", "/"));
}

#[test]
fn a_dropped_sleep_takes_no_time() {
    use std::{future::poll_fn, future::Future, pin::pin, task::Poll, time::Duration};
    async fn handle(ctx: &Context) -> Response {
        let mut short = pin!(ctx.sleep(Duration::from_secs(1)));
        let mut long = Box::pin(ctx.sleep(Duration::from_secs(60)));
        poll_fn(
            |context| match (short.as_mut().poll(context), long.as_mut().poll(context)) {
                (Poll::Pending, Poll::Pending) => Poll::Pending,
                _ => Poll::Ready(()),
            },
        )
        .await;
        drop(long);
        ctx.sleep(Duration::from_secs(2)).await;
        Response::no_content()
    }
    let (_, waited) = testing::run_timed(handle, Request::new("GET", "/"));
    assert_eq!(waited, Duration::from_secs(3));
}
