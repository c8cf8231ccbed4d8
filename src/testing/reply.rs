//! Replies to a test client.

use serde::de::DeserializeOwned;
use serde_json::Value;

use http::StatusCode;

use crate::jsonrpc::ErrorCode;

/// The reply to one request, with the notifications that preceded it.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TestReply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The JSON-RPC message that ended the request; `null` if there was none.
    pub message: Value,
    /// The reported progress, in order.
    pub progress: Vec<Progress>,
    /// The parameters of the log messages, in order.
    pub logs: Vec<Value>,
    /// How many questions the client answered.
    pub questions: usize,
}

/// A progress report.
#[derive(Clone, Debug, PartialEq, serde::Deserialize)]
#[non_exhaustive]
pub struct Progress {
    /// The progress so far.
    pub progress: f64,
    /// The value at which the work is done, if known.
    pub total: Option<f64>,
    /// The message.
    pub message: Option<String>,
}

impl TestReply {
    /// Returns the result.
    ///
    /// # Panics
    /// If the response is an error.
    #[track_caller]
    pub fn result(&self) -> &Value {
        match self.message.get("result") {
            Some(result) => result,
            None => panic!("no result: {} {}", self.status, self.message),
        }
    }

    /// Returns the code and the message of the JSON-RPC error.
    ///
    /// # Panics
    /// If the request has a result.
    #[track_caller]
    pub fn error(&self) -> (ErrorCode, &str) {
        let error = &self.message["error"];
        match (error["code"].as_i64(), error["message"].as_str()) {
            (Some(code), Some(message)) => (ErrorCode(code), message),
            _ => panic!("no error: {} {}", self.status, self.message),
        }
    }

    /// Returns whether the tool failed (`isError`).
    ///
    /// # Panics
    /// If the request was answered with a JSON-RPC error.
    #[track_caller]
    pub fn is_error(&self) -> bool {
        self.result()["isError"] == true
    }

    /// Returns the texts of a tool's content, of a prompt's messages or of a resource's contents,
    /// separated by line feeds.
    ///
    /// # Panics
    /// If the request was answered with a JSON-RPC error.
    #[track_caller]
    pub fn text(&self) -> String {
        let result = self.result();
        let parts = ["content", "messages", "contents"].iter().find_map(|name| result[*name].as_array());
        let texts = parts.into_iter().flatten().filter_map(|part| {
            let text = part.get("text").or_else(|| part.get("content")?.get("text"));
            text?.as_str()
        });
        texts.collect::<Vec<_>>().join("\n")
    }

    /// Deserialises the structured content of a tool's result.
    ///
    /// # Panics
    /// If there is no structured content, or it does not deserialise as `T`.
    #[track_caller]
    pub fn structured<T: DeserializeOwned>(&self) -> T {
        match self.result().get("structuredContent").map(T::deserialize) {
            Some(Ok(content)) => content,
            Some(Err(error)) => panic!("the structured content does not fit: {error}: {}", self.message),
            None => panic!("no structured content: {}", self.message),
        }
    }
}
