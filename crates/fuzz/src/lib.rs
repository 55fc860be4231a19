//! What must hold for any bytes: one module a target of `cargo fuzz`, each with a function `check` that panics when it
//! does not. The same functions run on stable Rust over every file of the corpora (`tests/replay.rs`).

pub mod cookie;
pub mod form;
pub mod frame;
pub mod input;
pub mod multipart;
pub mod query;
mod urlencoded;

/// Panics when something that must hold for these bytes does not.
pub type Check = fn(&[u8]);

/// All targets, by the names that their corpora have, too.
pub const TARGETS: [(&str, Check); 5] = [
    ("cookie", cookie::check),
    ("form", form::check),
    ("frame", frame::check),
    ("multipart", multipart::check),
    ("query", query::check),
];
