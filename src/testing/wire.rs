//! Reads a response message by message.

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::Pin;

use http::{Response, StatusCode};
use http_body::Body as _;
use serde_json::Value;

use crate::manager::Body;

/// A response whose messages are read as they arrive.
pub(super) struct Wire {
    pub(super) status: StatusCode,
    body: Pin<Box<Body>>,
    is_stream: bool,
    /// Bytes that are not a complete message yet.
    text: Vec<u8>,
    whole: VecDeque<Value>,
    has_ended: bool,
}

impl Wire {
    pub(super) fn new(response: Response<Body>) -> Self {
        let (head, body) = response.into_parts();
        let is_stream = head.headers.get("content-type").is_some_and(|it| it == "text/event-stream");
        Self {
            status: head.status,
            body: Box::pin(body),
            is_stream,
            text: Vec::new(),
            whole: VecDeque::new(),
            has_ended: false,
        }
    }

    /// Returns the next message; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Value> {
        loop {
            if let Some(message) = self.whole.pop_front() {
                return Some(message);
            }
            if self.has_ended {
                return None;
            }
            match poll_fn(|cx| self.body.as_mut().poll_frame(cx)).await {
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.text.extend_from_slice(&data);
                    }
                    if self.is_stream {
                        self.take_events();
                    }
                }
                None => {
                    self.has_ended = true;
                    if !self.is_stream && !self.text.is_empty() {
                        self.whole.push_back(parse(&self.text));
                    }
                }
                Some(Err(error)) => match error {},
            }
        }
    }

    /// Takes the complete lines: this crate writes each event on one line of data.
    fn take_events(&mut self) {
        while let Some(end) = memchr::memchr(b'\n', &self.text) {
            let line: Vec<u8> = self.text.drain(..=end).collect();
            if let Some(data) = line.strip_prefix(b"data: ") {
                self.whole.push_back(parse(data));
            }
        }
    }
}

fn parse(text: &[u8]) -> Value {
    match serde_json::from_slice(text) {
        Ok(message) => message,
        Err(error) => panic!("not valid JSON: {error}: {}", String::from_utf8_lossy(text)),
    }
}
