//! All a handler needs: `use rust_edge_gateway_sdk::prelude::*;`.

pub use crate::context::Context;
pub use crate::error::HandlerError;
pub use crate::into_response::IntoResponse;
pub use crate::join::join_all;
pub use crate::log::LogLevel;
pub use crate::multipart::{Multipart, Part};
pub use crate::pairs::Pairs;
pub use crate::request::Request;
pub use crate::response::Response;
pub use crate::testing;
pub use crate::{debug, error, handler, info, join, warn};
pub use serde::{Deserialize, Serialize};
pub use serde_json::{self, json, Value as JsonValue};
