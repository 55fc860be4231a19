//! Parameters of header values, such as `boundary` in `multipart/form-data; boundary=x`.

/// A parameter of a header value: `name=value` or `name="value"`, after a semicolon.
pub(crate) fn parameter(value: &str, name: &str) -> Option<String> {
    let mut rest = value.split_once(';')?.1;
    loop {
        let (found, after) = rest.split_once('=')?;
        let (text, after) = parameter_value(after.trim_start());
        if found.trim().eq_ignore_ascii_case(name) {
            return Some(text);
        }
        rest = after.split_once(';')?.1;
    }
}

/// The value at the beginning of `text`, and what follows it.
fn parameter_value(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(';').unwrap_or(text.len());
        return (text[..end].trim_end().to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices().peekable();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            // Only these two are escaped; a backslash before anything else belongs to a file name.
            '\\' if matches!(characters.peek(), Some((_, '"' | '\\'))) => {
                value.extend(characters.next().map(|(_, escaped)| escaped));
            }
            _ => value.push(character),
        }
    }
    (value, "")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_plain_or_quoted() {
        let value = "form-data; Name = plain ; filename=\"a;\\\"b\\\\c\\d\"; last=\"\"";
        assert_eq!(parameter(value, "name").as_deref(), Some("plain"));
        assert_eq!(parameter(value, "FileName").as_deref(), Some("a;\"b\\c\\d"));
        assert_eq!(parameter(value, "last").as_deref(), Some(""));
        assert_eq!(parameter(value, "form-data"), None);
        assert_eq!(parameter("form-data; name=\"no end", "name").as_deref(), Some("no end"));
    }
}
