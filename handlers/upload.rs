//! Route: POST /upload
//!
//! A form with files: `curl -F title=Holiday -F photo=@beach.jpg http://127.0.0.1:8080/upload`. Files arrive byte by byte
//! as they were sent; the name a client gives a file is a label, never a path.

use rust_edge_gateway_sdk::prelude::*;

const FILE_BYTES_MAX: usize = 5 << 20;

#[handler]
pub async fn handle(req: Request) -> Result<Response, HandlerError> {
    let form = req.multipart()?;
    let title = form.require_field("title")?;
    let mut files = Vec::new();
    for file in form.files() {
        let name = file.file_name.as_deref().unwrap_or("");
        if file.bytes.len() > FILE_BYTES_MAX {
            return Err(HandlerError::PayloadTooLarge(format!(
                "{name} is over {FILE_BYTES_MAX} bytes"
            )));
        }
        files.push(json!({
            "field": file.name,
            "name": name,
            "content_type": file.content_type,
            "bytes": file.bytes.len(),
            "checksum": format!("{:08x}", checksum(&file.bytes)),
        }));
    }
    info!("{} files for {title}", files.len());
    Ok(Response::created(json!({ "title": title, "files": files })))
}

/// FNV-1a, enough to see that every byte has arrived.
fn checksum(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash, byte| {
        (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upload(parts: &[(&str, &[u8])]) -> Response {
        let mut body = Vec::new();
        for (disposition, bytes) in parts {
            body.extend(format!("--xyz\r\nContent-Disposition: form-data; {disposition}\r\n\r\n").into_bytes());
            body.extend(*bytes);
            body.extend(b"\r\n");
        }
        body.extend(b"--xyz--\r\n");
        let request = Request::new("POST", "/upload").with_header("content-type", "multipart/form-data; boundary=xyz");
        testing::run(handle, request.with_body(body))
    }

    #[test]
    fn files_arrive_byte_by_byte() {
        let response = upload(&[
            ("name=title", b"Holiday"),
            ("name=photo; filename=\"a.bin\"", &[0, 255, 13, 10]),
        ]);
        assert_eq!(response.status, 201);
        let answer: JsonValue = response.json_body().unwrap();
        assert_eq!(answer["title"], "Holiday");
        assert_eq!(answer["files"][0]["bytes"], 4);
        assert_eq!(
            answer["files"][0]["checksum"],
            format!("{:08x}", checksum(&[0, 255, 13, 10]))
        );
    }

    #[test]
    fn a_form_without_a_title_is_refused() {
        assert_eq!(
            upload(&[]).body_text(),
            r#"{"error":"Bad request: Missing field: title"}"#
        );
    }
}
