//! Route: GET /fanout
//!
//! Waiting for several things at once: the slowest decides how long it takes, not the sum. While this handler waits, its
//! worker serves other requests. The waits stand for calls of other services. Try `/fanout?parts=5&ms=200`.

use rust_edge_gateway_sdk::prelude::*;
use std::time::{Duration, Instant};

const PARTS_MAX: u64 = 100;
const MILLISECONDS_MAX: u64 = 10_000;

#[handler]
pub async fn handle(ctx: &Context, req: Request) -> Result<Response, HandlerError> {
    let parts: u64 = req.query_param_as("parts").unwrap_or(3);
    let ms: u64 = req.query_param_as("ms").unwrap_or(100);
    if parts > PARTS_MAX || ms > MILLISECONDS_MAX {
        return Err(HandlerError::ValidationError(format!(
            "at most {PARTS_MAX} parts and {MILLISECONDS_MAX} ms"
        )));
    }
    let started = Instant::now();
    // Any number of the same kind: join_all. A few of different kinds: join!.
    let (parts, user) = join!(
        join_all((1..=parts).map(|part| fetch_part(ctx, part, ms))),
        fetch_user(ctx, ms)
    );
    Ok(Response::ok(
        json!({ "user": user, "parts": parts, "took_ms": started.elapsed().as_millis() as u64 }),
    ))
}

async fn fetch_part(ctx: &Context, part: u64, ms: u64) -> u64 {
    ctx.sleep(Duration::from_millis(ms)).await;
    part * part
}

async fn fetch_user(ctx: &Context, ms: u64) -> &'static str {
    ctx.sleep(Duration::from_millis(ms / 2)).await;
    "ann"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slowest_wait_decides_not_the_sum() {
        let (response, waited) = testing::run_timed(handle, Request::new("GET", "/fanout?parts=5&ms=200"));
        let answer: JsonValue = response.json_body().unwrap();
        assert_eq!(
            (&answer["parts"], &answer["user"]),
            (&json!([1, 4, 9, 16, 25]), &json!("ann"))
        );
        assert_eq!(waited, Duration::from_millis(200));
    }

    #[test]
    fn too_much_is_refused() {
        assert_eq!(
            testing::run(handle, Request::new("GET", "/fanout?parts=101")).status,
            400
        );
    }
}
