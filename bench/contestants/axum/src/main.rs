//! The native limit: the bench's endpoints in one axum program, as axum's documentation shows one.
//!
//! The listening socket comes from outside (`LISTEN_FDS`, as from systemd), or is opened on a free port. SIGTERM: no
//! further connections, what is in flight is finished. `VERSION` is what `/version` answers with.

use axum::{
    body::Bytes,
    extract::{DefaultBodyLimit, Path, Query},
    routing::{get, post},
    Json, Router,
};
use serde_json::{json, Value};
use std::{collections::HashMap, hint::black_box, time::Duration};
use tokio::signal::unix::{signal, SignalKind};

const BODY_BYTES_MAX: usize = 10 * 1024 * 1024;
const BURN_STEPS: u32 = 500_000;

async fn order(
    Path((user, order)): Path<(String, String)>,
    Query(query): Query<HashMap<String, String>>,
) -> Json<Value> {
    Json(json!({ "user": user, "order": order, "limit": query.get("limit"), "sort": query.get("sort") }))
}

async fn sleep(Query(query): Query<HashMap<String, String>>) -> &'static str {
    let ms = query.get("ms").and_then(|text| text.parse().ok()).unwrap_or(0);
    tokio::time::sleep(Duration::from_millis(ms)).await;
    "slept"
}

/// The same arithmetic as in every contestant: each step needs the one before.
async fn burn() -> String {
    let mut value = black_box(1_u32);
    for _ in 0..BURN_STEPS {
        value ^= value << 13;
        value ^= value >> 17;
        value ^= value << 5;
    }
    value.to_string()
}

fn router() -> Router {
    let version: &'static str = std::env::var("VERSION").unwrap_or_default().leak();
    let mut router = Router::new()
        .route("/hello", get(|| async { "Hello, world!" }))
        .route("/echo", post(|Json(value): Json<Value>| async { Json(value) }))
        .route("/raw", post(|body: Bytes| async { body }))
        .route("/upload", post(|body: Bytes| async move { body.len().to_string() }))
        .route("/users/{user}/orders/{order}", get(order))
        .route("/sleep", get(sleep))
        .route("/burn", get(burn))
        .route("/version", get(move || async move { version }));
    let many = std::env::var("MANY")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0);
    for number in 0..many {
        router = router.route(&format!("/many/{number:03}"), get(|| async { "Hello, world!" }));
    }
    router.layer(DefaultBodyLimit::max(BODY_BYTES_MAX))
}

#[tokio::main]
async fn main() -> std::io::Result<()> {
    let listener = match listenfd::ListenFd::from_env().take_tcp_listener(0)? {
        Some(listener) => listener,
        None => std::net::TcpListener::bind("127.0.0.1:0")?,
    };
    listener.set_nonblocking(true)?;
    let listener = tokio::net::TcpListener::from_std(listener)?;
    println!("http://{}", listener.local_addr()?);
    let mut terminated = signal(SignalKind::terminate())?;
    axum::serve(listener, router())
        .with_graceful_shutdown(async move {
            terminated.recv().await;
        })
        .await
}
