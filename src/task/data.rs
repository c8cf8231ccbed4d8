//! The data of a task that clients can see, and its JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::time::iso_8601;
use super::{TaskRecord, TaskState};
use crate::ask::TaskQuestion;
use crate::call::{ResultWriter, WriteResult};
use crate::jsonrpc::{ErrorCode, RpcError, write};

/// The sealed data of a [`TaskRecord`].
#[derive(Clone, Deserialize, Serialize)]
pub(super) struct TaskData {
    /// The id that the client uses.
    pub(super) id: String,
    /// The name of the tool, for the log.
    pub(super) tool: String,
    /// Whether another replica may restart the call.
    pub(super) is_repeatable: bool,
    /// How often the call was started, not counting restarts after questions that its handler had returned.
    pub(super) runs: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) status: Option<String>,
    /// All questions so far, by number.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) questions: Vec<TaskQuestion>,
    /// Whether no call runs until the questions have answers, because the handler has returned them.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(super) begins_again: bool,
    /// The state that a handler has set together with the questions that it returned.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) returned: Option<Box<RawValue>>,
    /// The JSON of the result, or of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) outcome: Option<Box<RawValue>>,
}

impl TaskData {
    /// The data of a task whose call has just begun.
    pub(super) fn new(id: String, tool: &str, is_repeatable: bool) -> Self {
        let tool = tool.to_owned();
        let (begins_again, questions) = (false, Vec::new());
        let (status, returned, outcome) = (None, None, None);
        Self { id, tool, is_repeatable, runs: 1, status, questions, begins_again, returned, outcome }
    }
}

/// A task, as a client sees it: a `Task` or a `DetailedTask`.
pub(crate) struct TaskView {
    record: TaskRecord,
    data: TaskData,
    poll_interval: Duration,
}

impl TaskView {
    pub(super) fn new(record: TaskRecord, data: TaskData, poll_interval: Duration) -> Self {
        Self { record, data, poll_interval }
    }

    /// Returns whether the task will not change any more.
    pub(crate) fn is_final(&self) -> bool {
        self.record.state.is_final()
    }

    pub(crate) fn version(&self) -> u64 {
        self.record.version
    }

    fn status(&self) -> &'static str {
        match self.record.state {
            TaskState::Running if self.record.open.is_empty() => "working",
            TaskState::Running => "input_required",
            TaskState::Completed => "completed",
            TaskState::Failed => "failed",
            TaskState::Cancelled => "cancelled",
        }
    }

    /// Writes the members of a `Task`.
    fn write_task(&self, buffer: &mut Vec<u8>) {
        let text = |buffer: &mut Vec<u8>, name, text: &str| {
            write::key(buffer, name);
            write::string(buffer, text);
        };
        text(buffer, "taskId", &self.data.id);
        text(buffer, "status", self.status());
        if let Some(status) = &self.data.status {
            text(buffer, "statusMessage", status);
        }
        text(buffer, "createdAt", &iso_8601(self.record.created_at));
        text(buffer, "lastUpdatedAt", &iso_8601(self.record.updated_at));
        write::key(buffer, "ttlMs");
        write::display(buffer, self.record.expires_at.saturating_sub(self.record.created_at));
        write::key(buffer, "pollIntervalMs");
        write::display(buffer, self.poll_interval.as_millis());
    }

    /// Writes the members of a `DetailedTask`.
    pub(crate) fn write_detailed(&self, buffer: &mut Vec<u8>) {
        self.write_task(buffer);
        let outcome = match self.record.state {
            TaskState::Running if self.record.open.is_empty() => return,
            TaskState::Running => return self.write_questions(buffer),
            TaskState::Completed => "result",
            TaskState::Failed => "error",
            TaskState::Cancelled => return,
        };
        write::key(buffer, outcome);
        let json = self.data.outcome.as_deref().map_or("{}", RawValue::get);
        buffer.extend_from_slice(json.as_bytes());
    }

    fn write_questions(&self, buffer: &mut Vec<u8>) {
        write::key(buffer, "inputRequests");
        buffer.push(b'{');
        let open = self.record.open.iter().filter_map(|number| self.data.questions.get(*number as usize));
        for TaskQuestion { key, method, params, .. } in open {
            write::key(buffer, key);
            buffer.push(b'{');
            write::key(buffer, "method");
            write::string(buffer, method);
            write::key(buffer, "params");
            // Maps of JSON values always serialise.
            let _ = write::json(buffer, params);
            buffer.push(b'}');
        }
        buffer.push(b'}');
    }
}

/// A `CreateTaskResult`.
pub(crate) struct CreatedTask(pub(super) TaskView);

impl WriteResult for CreatedTask {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        writer.open();
        writer.string("resultType", "task");
        self.0.write_task(writer.buffer);
        let meta = writer.open_meta();
        writer.close_meta(meta);
        writer.buffer.push(b'}');
    }
}

/// A `GetTaskResult`.
impl WriteResult for TaskView {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        writer.open();
        self.write_detailed(writer.buffer);
        writer.end(None);
    }
}

/// An `UpdateTaskResult` or a `CancelTaskResult`.
pub(crate) struct Acknowledged;

impl WriteResult for Acknowledged {
    fn write(&self, writer: &mut ResultWriter<'_>) {
        writer.open();
        writer.complete();
        let meta = writer.open_meta();
        writer.close_meta(meta);
        writer.buffer.push(b'}');
    }
}

/// Returns the JSON of an error, with its code in 2026-07-28.
pub(super) fn error_json(error: &RpcError) -> Option<Box<RawValue>> {
    let code = match error.code() {
        ErrorCode::RESOURCE_NOT_FOUND => ErrorCode::INVALID_PARAMS,
        code => code,
    };
    let mut buffer = vec![b'{'];
    write::key(&mut buffer, "code");
    write::display(&mut buffer, code);
    write::key(&mut buffer, "message");
    write::string(&mut buffer, error.message());
    if let Some(data) = error.data() {
        write::key(&mut buffer, "data");
        buffer.extend_from_slice(data.as_bytes());
    }
    buffer.push(b'}');
    raw(buffer)
}

/// Returns JSON text as a value; `None` if it is not valid.
pub(super) fn raw(json: Vec<u8>) -> Option<Box<RawValue>> {
    String::from_utf8(json).ok().and_then(|json| RawValue::from_string(json).ok())
}
