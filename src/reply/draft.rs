//! Drafts of replies: the parts of a request that are stored until its reply is written.

use http::StatusCode;
#[cfg(feature = "auth")]
use http::header;

use super::message::{ResultMessage, SingleReply};
#[cfg(feature = "auth")]
use crate::auth::InsufficientScope;
use crate::call::{ResultWriter, WriteResult};
use crate::http::retry_after;
use crate::jsonrpc::write::{ReplyId, ReplyStart};
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::protocol::{Era, Revision, ServerCapabilities, meta};
use crate::registry::Page;
use crate::request::{Rejection, ValidRequest};
use crate::settings::Settings;
#[cfg(feature = "tasks")]
use crate::task::TaskFault;

/// Returns the code of an error as defined by the revisions of this era.
fn code_of(error: &RpcError, era: Era) -> ErrorCode {
    match (error.code(), era) {
        (ErrorCode::RESOURCE_NOT_FOUND, Era::Modern) => ErrorCode::INVALID_PARAMS,
        (ErrorCode::URL_ELICITATION_REQUIRED, Era::Modern) => ErrorCode::INTERNAL_ERROR,
        (code, _) => code,
    }
}

/// Returns the HTTP status of an error that a method returns. In the modern era the specification
/// assigns a status to some codes; any other error is sent with 200.
fn status_of(code: ErrorCode, era: Era) -> StatusCode {
    match (era, code) {
        (Era::Modern, ErrorCode::METHOD_NOT_FOUND) => StatusCode::NOT_FOUND,
        (
            Era::Modern,
            ErrorCode::HEADER_MISMATCH
            | ErrorCode::MISSING_CLIENT_CAPABILITY
            | ErrorCode::UNSUPPORTED_PROTOCOL_VERSION,
        ) => StatusCode::BAD_REQUEST,
        _ => StatusCode::OK,
    }
}

/// The size in bytes from which a list is shared between replies instead of copied. Sharing saves
/// memory, and costs up to two more frames.
const SHARED_FROM: usize = 8 * 1024;

/// The draft of a reply: everything needed from the request to write it. The settings are an argument
/// of the methods that write.
pub(crate) struct Draft {
    pub(crate) start: ReplyStart,
    pub(crate) era: Era,
}

impl Draft {
    /// Starts the reply to a request.
    #[inline]
    pub(super) fn of(request: &ValidRequest<'_>) -> Self {
        Self { start: ReplyStart::new(ReplyId::Request(request.id)), era: request.era() }
    }

    /// Writes an error reply.
    pub(crate) fn error(self, error: &RpcError) -> SingleReply {
        let code = code_of(error, self.era);
        let (status, headers) = if error.is_temporary() {
            (StatusCode::SERVICE_UNAVAILABLE, Box::new(retry_after("1")))
        } else {
            (status_of(code, self.era), Box::default())
        };
        SingleReply::Error { status, code, message: self.start.error(error, code), headers }
    }

    /// Writes the reply to a call whose caller lacks a scope. If the reply is already a stream, or belongs
    /// to a batch, the status and the challenge are lost.
    #[cfg(feature = "auth")]
    pub(crate) fn forbidden(self, missing: &InsufficientScope) -> SingleReply {
        let error = RpcError::new(ErrorCode::INVALID_REQUEST, missing.to_string());
        let challenge = missing.challenge.iter().map(|value| (header::WWW_AUTHENTICATE, value.clone()));
        SingleReply::Error {
            status: StatusCode::FORBIDDEN,
            code: error.code(),
            headers: Box::new(challenge.collect()),
            message: self.start.error(&error, error.code()),
        }
    }

    /// Writes the reply to a request that may succeed later.
    #[cfg(feature = "tasks")]
    pub(crate) fn later(self, error: &RpcError, status: StatusCode) -> SingleReply {
        let headers = Box::new(retry_after("1"));
        let code = error.code();
        SingleReply::Error { status, code, message: self.start.error(error, code), headers }
    }

    /// Writes the reply to a failed request about a task.
    #[cfg(feature = "tasks")]
    pub(crate) fn task_fault(self, fault: &TaskFault) -> SingleReply {
        let error = fault.to_error();
        if fault.may_pass() {
            self.later(&error, StatusCode::SERVICE_UNAVAILABLE)
        } else {
            self.error(&error)
        }
    }

    /// Writes the reply to a request that is rejected after its reply was started.
    pub(crate) fn refuse(self, rejection: Rejection, settings: &Settings) -> SingleReply {
        SingleReply::refuse_with(rejection, self.start, settings)
    }

    /// Writes an `EmptyResult` (legacy era).
    pub(crate) fn nothing(self, settings: &Settings) -> SingleReply {
        self.result(settings, |writer| writer.buffer.extend_from_slice(b"{}"))
    }

    /// Writes the result of a call.
    pub(crate) fn output(self, output: &impl WriteResult, settings: &Settings) -> SingleReply {
        self.result(settings, |mut writer| output.write(&mut writer))
    }

    /// Writes the result of a list. `opening` is the text before the definitions.
    pub(crate) fn list(self, opening: &str, page: &Page, settings: &Settings) -> SingleReply {
        let mut at = 0;
        let text = self.start.result(|buffer| {
            buffer.extend_from_slice(opening.as_bytes());
            at = buffer.len();
            buffer.push(b']');
            let mut writer = ResultWriter::new(buffer, self.era, &settings.result_texts);
            if let Some(cursor) = &page.next_cursor {
                writer.string("nextCursor", cursor);
            }
            if self.era == Era::Modern {
                writer.cache_hint(page.cache);
            }
            writer.end(page.meta.as_deref());
        });
        let message = ResultMessage::with_shared(text, at, page.definitions.clone());
        let is_small = page.definitions.len() < SHARED_FROM;
        SingleReply::Result(if is_small { message.into_vec().into() } else { message })
    }

    /// Writes an `InitializeResult`.
    pub(crate) fn initialize(
        self,
        capabilities: ServerCapabilities,
        revision: Revision,
        settings: &Settings,
    ) -> SingleReply {
        self.result(settings, |mut writer| {
            writer.open();
            writer.string("protocolVersion", revision.as_str());
            write_server(&mut writer, capabilities, settings);
            writer.raw("serverInfo", &settings.result_texts.server_info);
            writer.buffer.push(b'}');
        })
    }

    /// Writes a `DiscoverResult`.
    pub(crate) fn discover(self, capabilities: ServerCapabilities, settings: &Settings) -> SingleReply {
        self.result(settings, |mut writer| {
            writer.open();
            writer.raw("supportedVersions", settings.revisions.as_json());
            write_server(&mut writer, capabilities, settings);
            writer.cache_hint(settings.cache_hint);
            writer.end(None);
        })
    }

    /// Writes the result that ends a `subscriptions/listen`, tagged with the request's id like
    /// every message before it.
    pub(crate) fn listened(self, id: &str, settings: &Settings) -> SingleReply {
        self.result(settings, |mut writer| {
            writer.open();
            writer.end_tagged(meta::SUBSCRIPTION_ID, id);
        })
    }

    fn result(self, settings: &Settings, write: impl FnOnce(ResultWriter<'_>)) -> SingleReply {
        let Self { start, era } = self;
        let text = start.result(|buffer| write(ResultWriter::new(buffer, era, &settings.result_texts)));
        SingleReply::Result(text.into())
    }
}

/// Writes what `initialize` and `server/discover` have in common: capabilities and instructions.
fn write_server(writer: &mut ResultWriter<'_>, capabilities: ServerCapabilities, settings: &Settings) {
    writer
        .json("capabilities", &capabilities.declared(writer.era(), settings.logging, &settings.capabilities));
    if let Some(instructions) = &settings.instructions {
        writer.string("instructions", instructions);
    }
}
