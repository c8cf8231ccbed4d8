//! Requests, independent of the version of HTTP.

use std::fmt::Write as _;

/// A `POST` to the server's endpoint.
#[derive(Clone)]
pub(crate) struct Request {
    /// All headers except the host and the length.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: String,
}

pub(super) const PATH: &str = "/mcp";
pub(super) const HOST: &str = "127.0.0.1";

impl Request {
    /// Returns the request in the format of HTTP/1.1.
    pub(super) fn http1(&self) -> Vec<u8> {
        let mut text = format!("POST {PATH} HTTP/1.1\r\nhost: {HOST}\r\n");
        for (name, value) in &self.headers {
            write!(text, "{name}: {value}\r\n").expect("writing to a string cannot fail");
        }
        write!(text, "content-length: {}\r\n\r\n{}", self.body.len(), self.body)
            .expect("writing to a string cannot fail");
        text.into_bytes()
    }
}
