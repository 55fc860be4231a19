//! Text that came off the wire.

use crate::pairs::Pairs;

/// Valid UTF-8 is taken as such; of anything else each byte becomes the character of the same value (latin1).
pub(crate) fn from_wire(bytes: &[u8]) -> String {
    match core::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
    }
}

/// Pairs of a query or form: `name=value&name=value`, percent-encoded, `+` for a space.
pub(crate) fn urlencoded_pairs(bytes: &[u8]) -> Pairs {
    let mut pairs = Pairs::new();
    for pair in bytes.split(|byte| *byte == b'&').filter(|pair| !pair.is_empty()) {
        let name_end = pair.iter().position(|byte| *byte == b'=').unwrap_or(pair.len());
        let value = pair.get(name_end + 1..).unwrap_or_default();
        pairs.append(percent_decoded(&pair[..name_end]), percent_decoded(value));
    }
    pairs
}

/// A `%` that no two hexadecimal digits follow stands for itself.
fn percent_decoded(bytes: &[u8]) -> String {
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let [first, after @ ..] = rest {
        rest = after;
        decoded.push(match (first, after) {
            (b'+', _) => b' ',
            (b'%', [high, low, after @ ..]) if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest = after;
                hex_digit(*high) << 4 | hex_digit(*low)
            }
            _ => *first,
        });
    }
    from_wire(&decoded)
}

fn hex_digit(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        _ => digit.to_ascii_lowercase() - b'a' + 10,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_that_is_not_utf8_is_latin1() {
        assert_eq!(from_wire("käse".as_bytes()), "käse");
        assert_eq!(from_wire(b"k\xe4se"), "käse");
    }

    #[test]
    fn a_query_is_decoded_and_keeps_repeated_names() {
        let pairs = urlencoded_pairs(b"a=1+2&a=%C3%A4&b&&%=%4&c=x=y");
        let all: Vec<_> = pairs
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
            .collect();
        assert_eq!(all, [("a", "1 2"), ("a", "ä"), ("b", ""), ("%", "%4"), ("c", "x=y")]);
    }
}
