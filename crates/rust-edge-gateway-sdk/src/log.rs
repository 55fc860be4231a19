//! Log lines of a handler.

use core::fmt;

pub use rust_edge_gateway_abi::LogLevel;

use crate::image::host;

/// Writes one log line of the running request, at once: it survives a crash.
///
/// In a test, where there is no gateway, the line goes to standard error.
pub(crate) fn write(level: LogLevel, message: &str) {
    match host::table() {
        Some(host) => host.log(level, message.as_bytes()),
        None => eprintln!("{level:?}: {message}"),
    }
}

#[doc(hidden)]
pub fn write_arguments(level: LogLevel, message: fmt::Arguments<'_>) {
    match message.as_str() {
        Some(message) => write(level, message),
        None => write(level, &message.to_string()),
    }
}

/// Logs a line at level `error`: the request failed. Arguments are those of `format!`.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// let order = 7;
/// error!("order {order} cannot be shipped");
/// ```
#[macro_export]
macro_rules! error {
    ($($message:tt)+) => { $crate::log::write_arguments($crate::LogLevel::Error, ::core::format_args!($($message)+)) };
}

/// Logs a line at level `warn`: an operator should look at it. Arguments are those of `format!`.
#[macro_export]
macro_rules! warn {
    ($($message:tt)+) => { $crate::log::write_arguments($crate::LogLevel::Warn, ::core::format_args!($($message)+)) };
}

/// Logs a line at level `info`. Arguments are those of `format!`.
#[macro_export]
macro_rules! info {
    ($($message:tt)+) => { $crate::log::write_arguments($crate::LogLevel::Info, ::core::format_args!($($message)+)) };
}

/// Logs a line at level `debug`: for the author. Arguments are those of `format!`.
#[macro_export]
macro_rules! debug {
    ($($message:tt)+) => { $crate::log::write_arguments($crate::LogLevel::Debug, ::core::format_args!($($message)+)) };
}
