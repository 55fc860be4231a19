//! Every form a handler can have, with every kind of answer.

use rust_edge_gateway_sdk::prelude::*;

/// Each form in a module of its own: a file has one handler.
macro_rules! forms {
    ($($name:ident: $($keyword:ident)* ($($argument:ident: $kind:ty),*) -> $answer:ty = $value:expr, $status:literal $text:literal;)*) => { $(
        mod $name {
            use super::*;

            #[handler]
            $($keyword)* fn handle($($argument: $kind),*) -> $answer {
                $value
            }

            #[test]
            fn answers() {
                let request = Request::new("GET", "/form?name=ann");
                let response = testing::run(handle, request);
                assert_eq!((response.status, response.body_text().as_str()), ($status, $text));
            }
        }
    )* };
}

forms! {
    nothing: () -> &'static str = "hello", 200 "hello";
    nothing_async: async () -> String = "hello".to_owned(), 200 "hello";
    context: (ctx: &Context) -> String = ctx.request_id.clone(), 200 "test";
    context_async: pub async (ctx: &Context) -> String = ctx.request_id.clone(), 200 "test";
    request: pub (req: Request) -> Response = Response::text(202, req.path), 202 "/form";
    request_async: async (req: Request) -> JsonValue = json!([req.method]), 200 r#"["GET"]"#;
    borrowed: (req: &Request) -> Result<Response, HandlerError> = Err(HandlerError::NotFoundMessage(req.path.clone())),
        404 r#"{"error":"Not found: /form"}"#;
    borrowed_async: async (req: &Request) -> Option<String> = req.query_param("name").cloned(), 200 "ann";
    both: (_ctx: &Context, req: Request) -> (u16, String) = (418, req.path), 418 "/form";
    both_async: async (_ctx: &Context, req: Request) -> HandlerError = HandlerError::Conflict(req.path),
        409 r#"{"error":"Conflict: /form"}"#;
    both_borrowed: (_ctx: &Context, _req: &Request) -> () = (), 204 "";
    both_borrowed_async: async (_ctx: &Context, _req: &Request) -> Option<Response> = None, 404 r#"{"error":"Not found"}"#;
    swapped: (req: Request, _ctx: &Context) -> Vec<u8> = req.path.into_bytes(), 200 "/form";
    swapped_async: async (req: &Request, _ctx: &Context) -> impl IntoResponse = req.method.clone(), 200 "GET";
}
