//! Route: ANY /notes/{id}
//! Threads: 1
//!
//! A JSON API with validation and errors, behind one handler: `GET` and `POST /notes/all`, `GET`, `PUT` and
//! `DELETE /notes/{id}`.
//!
//! The notes live in a static, and a static belongs to one copy of the handler: every thread that serves the endpoint has
//! its own. So this endpoint needs `threads: 1`. Even then the notes are only as old as that copy: they are gone when the
//! endpoint sleeps, when a new version is deployed, and after a crash, and every gateway process has others. Keep in a
//! static what can be made again, such as a cache, and in a database what must not be lost.

use rust_edge_gateway_sdk::prelude::*;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

const TEXT_BYTES_MAX: usize = 1000;
const NOTES_MAX: usize = 1000;

#[derive(Clone, Serialize)]
struct Note {
    id: u32,
    #[serde(flatten)]
    content: Content,
}

/// What a client sends; a field that is not known is a mistake worth telling.
#[derive(Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Content {
    text: String,
    #[serde(default)]
    done: bool,
}

#[derive(Default)]
struct Notes {
    last_id: u32,
    by_id: BTreeMap<u32, Note>,
}

static NOTES: Mutex<Notes> = Mutex::new(Notes {
    last_id: 0,
    by_id: BTreeMap::new(),
});

#[handler]
pub fn handle(req: Request) -> Result<Response, HandlerError> {
    let mut notes = lock();
    match (req.path_param("id").map_or("", String::as_str), req.method.as_str()) {
        ("all", "GET") => Ok(Response::ok(notes.by_id.values().collect::<Vec<_>>())),
        ("all", "POST") => notes.create(content_of(&req)?),
        ("all", method) => Err(HandlerError::MethodNotAllowed(format!("{method}; GET and POST are"))),
        (id, method) => {
            let id = id
                .parse()
                .map_err(|_| HandlerError::NotFoundMessage(format!("note {id}")))?;
            match method {
                "GET" => notes.find(id).map(Response::ok),
                "PUT" => notes.replace(id, content_of(&req)?),
                "DELETE" => notes.delete(id),
                _ => Err(HandlerError::MethodNotAllowed(format!(
                    "{method}; GET, PUT and DELETE are"
                ))),
            }
        }
    }
}

/// A request that panicked has left nothing half done: every change below is one step.
fn lock() -> MutexGuard<'static, Notes> {
    NOTES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn content_of(req: &Request) -> Result<Content, HandlerError> {
    let content: Content = req.json()?;
    match content.text.trim().len() {
        0 => Err(HandlerError::ValidationError("text is empty".into())),
        len if len > TEXT_BYTES_MAX => Err(HandlerError::ValidationError(format!(
            "text is over {TEXT_BYTES_MAX} bytes"
        ))),
        _ => Ok(content),
    }
}

impl Notes {
    fn create(&mut self, content: Content) -> Result<Response, HandlerError> {
        if self.by_id.len() == NOTES_MAX {
            return Err(HandlerError::Conflict(format!("there are {NOTES_MAX} notes already")));
        }
        self.last_id += 1;
        let note = Note {
            id: self.last_id,
            content,
        };
        self.by_id.insert(note.id, note.clone());
        Ok(Response::created(&note).with_header("location", format!("/notes/{}", note.id)))
    }

    fn find(&mut self, id: u32) -> Result<&mut Note, HandlerError> {
        self.by_id
            .get_mut(&id)
            .ok_or_else(|| HandlerError::NotFoundMessage(format!("note {id}")))
    }

    fn replace(&mut self, id: u32, content: Content) -> Result<Response, HandlerError> {
        let note = self.find(id)?;
        note.content = content;
        Ok(Response::ok(note))
    }

    fn delete(&mut self, id: u32) -> Result<Response, HandlerError> {
        self.find(id)?;
        self.by_id.remove(&id);
        Ok(Response::no_content())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(method: &str, path: &str, body: Option<JsonValue>) -> Response {
        let request = Request::new(method, &format!("/notes/{path}")).with_param("id", path);
        testing::run(handle, body.into_iter().fold(request, Request::with_json))
    }

    /// One test, because all tests of a file share its statics.
    #[test]
    fn a_note_is_created_changed_read_and_deleted() {
        let created = call("POST", "all", Some(json!({ "text": "milk" })));
        assert_eq!(
            (created.status, created.header("location").unwrap().as_str()),
            (201, "/notes/1")
        );

        let changed = call("PUT", "1", Some(json!({ "text": "milk", "done": true })));
        assert_eq!(changed.body_text(), r#"{"id":1,"text":"milk","done":true}"#);
        assert_eq!(call("GET", "1", None).body, changed.body);
        assert_eq!(
            call("GET", "all", None).body_text(),
            r#"[{"id":1,"text":"milk","done":true}]"#
        );

        assert_eq!(call("DELETE", "1", None).status, 204);
        assert_eq!(call("GET", "1", None).body_text(), r#"{"error":"Not found: note 1"}"#);
    }

    #[test]
    fn what_makes_no_sense_is_refused() {
        assert_eq!(call("POST", "all", None).status, 400);
        assert_eq!(
            call("POST", "all", Some(json!({ "text": "a", "colour": "red" }))).status,
            400
        );
        let empty = call("POST", "all", Some(json!({ "text": " " })));
        assert_eq!(empty.body_text(), r#"{"error":"Validation error: text is empty"}"#);
        assert_eq!(call("PATCH", "all", None).status, 405);
        assert_eq!(call("GET", "first", None).status, 404);
    }
}
