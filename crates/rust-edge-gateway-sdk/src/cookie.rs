//! Cookies of a request.

use crate::pairs::Pairs;

/// The first cookie of this name; quotes around its value are not part of it.
pub(crate) fn find<'a>(headers: &'a Pairs, name: &str) -> Option<&'a str> {
    headers
        .get_all("cookie")
        .flat_map(|header| header.split(';'))
        .filter_map(|cookie| cookie.split_once('='))
        .find(|(other, _)| other.trim() == name)
        .map(|(_, value)| unquoted(value.trim()))
}

fn unquoted(value: &str) -> &str {
    value
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'))
        .unwrap_or(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cookies_are_found_in_every_cookie_header() {
        let mut headers = Pairs::headers();
        headers.append("Cookie", "a=1; b=\"two\"");
        headers.append("cookie", "c=3=4; a=5; empty=");
        assert_eq!(find(&headers, "a"), Some("1"));
        assert_eq!(find(&headers, "b"), Some("two"));
        assert_eq!(find(&headers, "c"), Some("3=4"));
        assert_eq!(find(&headers, "empty"), Some(""));
        assert_eq!(find(&headers, "A"), None);
    }
}
