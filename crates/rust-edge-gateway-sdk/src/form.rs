//! Bodies of HTML forms without files.

use crate::error::HandlerError;
use crate::pairs::Pairs;
use crate::request::Request;
use crate::text::urlencoded_pairs;

const FORM: &str = "application/x-www-form-urlencoded";

pub(crate) fn of(request: &Request) -> Result<Pairs, HandlerError> {
    match request.media_type() {
        Some(media_type) if media_type != FORM => Err(HandlerError::BadRequest(format!(
            "Expected content type {FORM}, got {media_type}"
        ))),
        _ => Ok(urlencoded_pairs(request.body_ref())),
    }
}
