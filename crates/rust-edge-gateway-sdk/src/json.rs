//! Reading and writing JSON.
//!
//! What is generic is compiled with each handler, in the many small units that make an edit quick to compile, and not
//! optimised beyond them. For `JsonValue`, which needs nothing of the handler's, that is not necessary: here its code is
//! compiled once, with this crate, as one unit. A document of 64 KiB is read, written and dropped in half the time.

use std::mem::{transmute_copy, ManuallyDrop};

use serde::de::DeserializeOwned;
use serde::Serialize;
use serde_json::{Error, Value};
use typeid::of as type_of;

/// As `serde_json::from_slice`.
pub(crate) fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Error> {
    if type_of::<T>() != type_of::<Value>() {
        return serde_json::from_slice(bytes);
    }
    let value = ManuallyDrop::new(read_value(bytes)?);
    // SAFETY: `T` is `Value`, which has no lifetimes in which it could differ, and this is the only copy that is used.
    Ok(unsafe { transmute_copy::<ManuallyDrop<Value>, T>(&value) })
}

/// As `serde_json::to_vec`; the value is dropped.
pub(crate) fn write<T: Serialize>(value: T) -> Result<Vec<u8>, Error> {
    if type_of::<T>() != type_of::<Value>() {
        return serde_json::to_vec(&value);
    }
    let value = ManuallyDrop::new(value);
    // SAFETY: as above.
    write_value(unsafe { transmute_copy::<ManuallyDrop<T>, Value>(&value) })
}

#[inline(never)]
fn read_value(bytes: &[u8]) -> Result<Value, Error> {
    serde_json::from_slice(bytes)
}

#[inline(never)]
#[allow(
    clippy::needless_pass_by_value,
    reason = "it is dropped here, by code that is compiled here"
)]
fn write_value(value: Value) -> Result<Vec<u8>, Error> {
    serde_json::to_vec(&value)
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Point {
        x: i32,
        label: String,
    }

    const TEXT: &[u8] = br#"{"label":"here","x":-3}"#;

    #[test]
    fn a_value_and_a_type_read_the_same() {
        let value: Value = read(TEXT).unwrap();
        assert_eq!(value, json!({ "x": -3, "label": "here" }));
        let point: Point = read(TEXT).unwrap();
        assert_eq!(
            point,
            Point {
                x: -3,
                label: "here".into()
            }
        );
        assert_eq!(read::<Option<Value>>(b"null").unwrap(), None);
    }

    #[test]
    fn a_value_and_a_type_are_written_the_same() {
        let value: Value = read(TEXT).unwrap();
        assert_eq!(write(&value).unwrap(), TEXT);
        assert_eq!(write(value).unwrap(), TEXT);
        let label = String::from("borrowed");
        assert_eq!(
            write(json!({ "label": label })).unwrap(),
            write(
                [("label", &label)]
                    .into_iter()
                    .collect::<std::collections::BTreeMap<_, _>>()
            )
            .unwrap()
        );
    }

    #[test]
    fn the_error_is_the_same_for_both() {
        let of_value = read::<Value>(b"{\"x\":").unwrap_err();
        assert_eq!(of_value.to_string(), read::<Point>(b"{\"x\":").unwrap_err().to_string());
        assert!(write(std::collections::BTreeMap::from([((1, 2), 3)])).is_err());
    }
}
