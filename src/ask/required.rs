//! The reply to a call whose questions have no answer yet.

use super::Question;
use crate::call::{ResultWriter, WriteResult};
use crate::jsonrpc::write;

/// An `InputRequiredResult` (2026-07-28, Schema).
pub(crate) struct Required {
    pub(super) questions: Vec<(String, Question)>,
    pub(super) state: String,
}

impl WriteResult for Required {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        writer.open();
        writer.string("resultType", "input_required");
        if !self.questions.is_empty() {
            write::key(writer.buffer, "inputRequests");
            writer.open();
            for (key, question) in &self.questions {
                write::key(writer.buffer, key);
                writer.open();
                writer.string("method", question.method);
                writer.json("params", &question.params);
                writer.buffer.push(b'}');
            }
            writer.buffer.push(b'}');
        }
        writer.string("requestState", &self.state);
        let meta = writer.open_meta();
        writer.close_meta(meta);
        writer.buffer.push(b'}');
    }
}
