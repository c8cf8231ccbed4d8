//! Answers.

use bytes::Bytes;
use http::{HeaderMap, Response, StatusCode};
use http_body_util::BodyExt;
use mcp_stateless::manager::Body;
use serde_json::Value;

/// A complete answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) async fn read<B>(response: Response<B>) -> Self
    where
        B: http_body::Body<Error: std::fmt::Debug>,
    {
        let (head, body) = response.into_parts();
        let body = body.collect().await.expect("a whole body").to_bytes();
        assert!(!head.headers.contains_key("mcp-session-id"), "a session id was sent");
        Self { status: head.status, headers: head.headers, body }
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers.get("content-type").map_or("", |value| value.to_str().expect("ASCII"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    /// Returns the JSON message of the body.
    pub(crate) fn json(&self) -> Value {
        assert_eq!(self.content_type(), "application/json", "{self:?}");
        serde_json::from_slice(&self.body).expect("JSON")
    }

    /// Returns the messages of a stream.
    pub(crate) fn events(&self) -> Vec<Value> {
        assert_eq!(self.content_type(), "text/event-stream", "{self:?}");
        events(self.text())
    }

    /// Returns the text of a call's result.
    pub(crate) fn tool_text(&self) -> String {
        self.json()["result"]["content"][0]["text"].as_str().expect("a text").to_owned()
    }

    /// Returns the status and the code of an error.
    pub(crate) fn error(&self) -> (u16, i64) {
        let code = self.json()["error"]["code"].as_i64();
        (self.status.as_u16(), code.unwrap_or_else(|| panic!("no error: {self:?}")))
    }

    pub(crate) fn error_message(&self) -> String {
        self.json()["error"]["message"].as_str().expect("a message").to_owned()
    }
}

/// Returns the messages in the text of a stream, which has only data lines and comments.
pub(crate) fn events(text: &str) -> Vec<Value> {
    let blocks = text.split_terminator("\n\n").filter(|block| *block != ":");
    blocks
        .map(|block| {
            let data = block.strip_prefix("data: ").unwrap_or_else(|| panic!("not data: {block:?}"));
            serde_json::from_str(data).unwrap_or_else(|error| panic!("{error}: {data}"))
        })
        .collect()
}

/// Returns the next frame of a response, if it is ready.
pub(crate) async fn next_frame(response: &mut Response<Body>) -> Option<String> {
    let frame = response.body_mut().frame().await?.expect("infallible");
    Some(String::from_utf8(frame.into_data().expect("data").to_vec()).expect("UTF-8"))
}
