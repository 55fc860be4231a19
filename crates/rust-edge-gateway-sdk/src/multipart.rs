//! `multipart/form-data` bodies (RFC 7578), binary safe.

use crate::error::HandlerError;
use crate::header_parameter::parameter;
use crate::request::Request;
use crate::text::from_wire;

/// Most parts a body may have; more is an attack, not a form.
const PARTS_MAX: usize = 1000;

/// Fields and files of a form, in order.
///
/// ```
/// use rust_edge_gateway_sdk::prelude::*;
///
/// let body = "--xyz\r\nContent-Disposition: form-data; name=\"title\"\r\n\r\nCat\r\n\
///     --xyz\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"cat.png\"\r\n\
///     Content-Type: image/png\r\n\r\n\u{1}\u{2}\u{3}\r\n--xyz--\r\n";
/// let request = Request::new("POST", "/upload")
///     .with_header("content-type", "multipart/form-data; boundary=xyz")
///     .with_body(body);
///
/// let form = request.multipart()?;
/// assert_eq!(form.require_field("title")?, "Cat");
/// let photo = form.require_file("photo")?;
/// assert_eq!((photo.file_name.as_deref(), photo.content_type.as_deref()), (Some("cat.png"), Some("image/png")));
/// assert_eq!(photo.bytes, [1, 2, 3]);
/// # Ok::<(), HandlerError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Multipart {
    parts: Vec<Part>,
}

/// One field or file of a form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// Name of the form's field.
    pub name: String,
    /// Name the client gave the file; never use it as a path. `None`: the part is a field.
    pub file_name: Option<String>,
    /// Content type the client gave, if it gave one.
    pub content_type: Option<String>,
    /// Content.
    pub bytes: Vec<u8>,
    text: String,
}

impl Part {
    /// The content as text: UTF-8, or else latin1; empty for a file.
    pub fn text(&self) -> &String {
        &self.text
    }
}

impl Multipart {
    /// The text of the first field of this name.
    pub fn field(&self, name: &str) -> Option<&String> {
        self.fields().find(|part| part.name == name).map(Part::text)
    }

    /// The text of a field the handler cannot do without.
    ///
    /// # Errors
    /// `BadRequest("Missing field: …")`.
    pub fn require_field(&self, name: &str) -> Result<&String, HandlerError> {
        self.field(name)
            .ok_or_else(|| HandlerError::BadRequest(format!("Missing field: {name}")))
    }

    /// The first file of this name.
    pub fn file(&self, name: &str) -> Option<&Part> {
        self.files().find(|part| part.name == name)
    }

    /// A file the handler cannot do without.
    ///
    /// # Errors
    /// `BadRequest("Missing file: …")`.
    pub fn require_file(&self, name: &str) -> Result<&Part, HandlerError> {
        self.file(name)
            .ok_or_else(|| HandlerError::BadRequest(format!("Missing file: {name}")))
    }

    /// All fields, in order.
    pub fn fields(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.file_name.is_none())
    }

    /// All files, in order.
    pub fn files(&self) -> impl Iterator<Item = &Part> {
        self.parts.iter().filter(|part| part.file_name.is_some())
    }

    /// Fields and files, in order.
    pub fn parts(&self) -> &[Part] {
        &self.parts
    }

    pub(crate) fn of(request: &Request) -> Result<Self, HandlerError> {
        let content_type = request.content_type().unwrap_or_default();
        if !request.is_multipart() {
            return Err(damaged("the content type is not multipart/form-data"));
        }
        let boundary = parameter(content_type, "boundary")
            .filter(|boundary| (1..=70).contains(&boundary.len()))
            .ok_or_else(|| damaged("the content type has no boundary of 1 to 70 characters"))?;
        Self::parse(request.body_ref(), &boundary)
    }

    fn parse(body: &[u8], boundary: &str) -> Result<Self, HandlerError> {
        let delimiter = format!("\r\n--{boundary}");
        // The first delimiter may stand at the very beginning, without the line break that belongs to it.
        let opening = &delimiter.as_bytes()[2..];
        let mut rest = match body.strip_prefix(opening) {
            Some(rest) => rest,
            None => {
                split_at(body, delimiter.as_bytes())
                    .ok_or_else(|| damaged("the boundary does not occur"))?
                    .1
            }
        };
        let mut parts = Vec::new();
        while !rest.starts_with(b"--") {
            if parts.len() == PARTS_MAX {
                return Err(damaged("there are more than 1000 parts"));
            }
            let content = after_line_break(rest).ok_or_else(|| damaged("a boundary is followed by other text"))?;
            let (part, after) =
                split_at(content, delimiter.as_bytes()).ok_or_else(|| damaged("the last boundary is missing"))?;
            parts.push(Part::parse(part)?);
            rest = after;
        }
        Ok(Multipart { parts })
    }
}

impl Part {
    fn parse(part: &[u8]) -> Result<Self, HandlerError> {
        // A part without headers begins with the empty line that ends them.
        let (headers, bytes) = match part.strip_prefix(b"\r\n") {
            Some(bytes) => (&[][..], bytes),
            None => split_at(part, b"\r\n\r\n").ok_or_else(|| damaged("a part has no end of its headers"))?,
        };
        let headers = from_wire(headers);
        let disposition = header(&headers, "content-disposition").unwrap_or_default();
        let name = parameter(disposition, "name").ok_or_else(|| damaged("a part has no name"))?;
        let file_name = parameter(disposition, "filename");
        let text = if file_name.is_none() {
            from_wire(bytes)
        } else {
            String::new()
        };
        let content_type = header(&headers, "content-type").map(str::to_owned);
        Ok(Part {
            name,
            file_name,
            content_type,
            bytes: bytes.to_vec(),
            text,
        })
    }
}

fn damaged(reason: &str) -> HandlerError {
    HandlerError::BadRequest(format!("Invalid multipart body: {reason}"))
}

/// What stands before and after the first occurrence of `separator`.
fn split_at<'a>(bytes: &'a [u8], separator: &[u8]) -> Option<(&'a [u8], &'a [u8])> {
    let mut from = 0;
    loop {
        let at = from + bytes[from..].iter().position(|byte| *byte == separator[0])?;
        if let Some(after) = bytes[at..].strip_prefix(separator) {
            return Some((&bytes[..at], after));
        }
        from = at + 1;
    }
}

/// Skips the spaces that may follow a boundary, and the line break that must.
fn after_line_break(bytes: &[u8]) -> Option<&[u8]> {
    let padding = bytes.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
    bytes[padding..].strip_prefix(b"\r\n")
}

fn header<'a>(headers: &'a str, name: &str) -> Option<&'a str> {
    headers
        .split("\r\n")
        .filter_map(|line| line.split_once(':'))
        .find(|(other, _)| other.eq_ignore_ascii_case(name))
        .map(|(_, value)| value.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(body: &[u8]) -> Result<Multipart, HandlerError> {
        Multipart::of(
            &Request::new("POST", "/")
                .with_header("Content-Type", "Multipart/Form-Data; charset=utf-8; boundary=\"b b\"")
                .with_body(body),
        )
    }

    #[test]
    fn binary_content_is_kept_exactly() {
        let content: Vec<u8> = (0..=255).chain(*b"\r\n--b\r\n--\r\n\r\n").collect();
        let mut body =
            b"preamble\r\n--b b \t\r\nContent-Disposition: form-data; filename=\"\\\"C:\\x;.bin\"; name=f\r\n\r\n"
                .to_vec();
        body.extend(&content);
        body.extend(b"\r\n--b b--\r\nepilogue");
        let form = parse(&body).unwrap();
        let file = form.file("f").unwrap();
        assert_eq!(file.bytes, content);
        assert_eq!(file.file_name.as_deref(), Some("\"C:\\x;.bin"));
        assert_eq!(form.fields().count(), 0);
    }

    #[test]
    fn repeated_and_empty_parts_are_kept() {
        let part = "\r\nContent-Disposition: form-data; name=\"a\"\r\n\r\n";
        let form = parse(format!("--b b{part}1\r\n--b b{part}\r\n--b b--").as_bytes()).unwrap();
        assert_eq!(
            form.fields().map(|part| part.text().as_str()).collect::<Vec<_>>(),
            ["1", ""]
        );
        assert!(parse(b"--b b--").unwrap().parts().is_empty());
    }

    #[test]
    fn damaged_bodies_are_refused() {
        let damaged: [&[u8]; 7] = [
            b"",
            b"nothing",
            b"--b b",
            b"--b bx\r\n\r\n\r\n--b b--",
            b"--b b\r\nContent-Disposition: form-data; name=a\r\n\r\nno end",
            b"--b b\r\nContent-Disposition: form-data\r\n\r\nno name\r\n--b b--",
            b"--b b\r\n\r\nno headers\r\n--b b--",
        ];
        for body in damaged {
            let error = parse(body).unwrap_err().to_string();
            assert!(error.starts_with("Bad request: Invalid multipart body: "), "{error}");
        }
    }
}
