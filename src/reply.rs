//! The answer to a request, before it is HTTP.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::config::Settings;
use crate::http::Body;
use crate::protocol::{Era, Revision, ServerCapabilities, meta};
use crate::registry::Page;
use crate::rejection::Rejection;
use crate::result::{WriteResult, end_result, end_result_with, open_meta, write_about, write_cache_hint};
use crate::rpc::write::{self, ReplyId, ReplyStart};
use crate::rpc::{ErrorCode, RpcError};
use crate::stream::{Listening, Stream};

/// What a request is answered by.
pub(crate) enum Reply {
    /// Notifications are taken note of.
    Accepted,
    /// A message with a result.
    Result(Message),
    /// A message with an error.
    Error { status: StatusCode, message: Vec<u8>, headers: Box<HeaderMap> },
    /// Notifications, and the result at the end.
    Stream(Box<Stream>),
    /// News, until the client leaves or the server shuts down.
    Listening(Box<Listening>),
    /// A stream that is complete already: its events.
    Events(Vec<u8>),
}

impl Reply {
    /// The answer to a request that is not served.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>, settings: &Settings) -> Self {
        tracing::debug!(%rejection, "refused");
        let message = {
            let error = rejection.to_error(settings);
            ReplyStart::new(id).error(&error, error.code())
        };
        Self::Error { status: rejection.status(), message, headers: Box::new(rejection.into_headers()) }
    }

    /// The JSON-RPC message; nothing for the kinds that are no single one.
    pub(crate) fn into_message(self) -> Vec<u8> {
        match self {
            Self::Result(message) => message.into_vec(),
            Self::Error { message, .. } => message,
            Self::Accepted | Self::Stream(_) | Self::Listening(_) | Self::Events(_) => Vec::new(),
        }
    }
}

/// A message, all in one buffer but for a large part that other replies share.
pub(crate) struct Message {
    text: Vec<u8>,
    /// What belongs in between, and where.
    shared: Option<(usize, Bytes)>,
}

impl From<Vec<u8>> for Message {
    fn from(text: Vec<u8>) -> Self {
        Self { text, shared: None }
    }
}

impl Message {
    pub(crate) fn into_vec(self) -> Vec<u8> {
        match self.shared {
            None => self.text,
            Some((at, shared)) => [&self.text[..at], &shared, &self.text[at..]].concat(),
        }
    }

    pub(crate) fn into_body(self) -> Body {
        let Some((at, shared)) = self.shared else { return Body::full(self.text) };
        let mut before = Bytes::from(self.text);
        let after = before.split_off(at);
        Body::parts([before, shared, after])
    }
}

/// The code of an error, as revisions of this era have it.
fn code_of(error: &RpcError, era: Era) -> ErrorCode {
    match (error.code(), era) {
        (ErrorCode::RESOURCE_NOT_FOUND, Era::Modern) => ErrorCode::INVALID_PARAMS,
        (code, _) => code,
    }
}

/// The HTTP status of an error that a method answers: the specification gives
/// some codes a status of their own in the modern era; otherwise HTTP has done
/// its part.
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

/// From how many bytes on a list is sent from where it was made instead of being
/// copied, which spares memory but costs the server below a frame or two.
const SHARED_FROM: usize = 8 * 1024;

/// A reply that has begun; holds all that it needs of the request.
pub(crate) struct Draft {
    pub(crate) start: ReplyStart,
    pub(crate) era: Era,
    pub(crate) settings: Arc<Settings>,
}

impl Draft {
    /// The reply to a request that failed.
    pub(crate) fn error(self, error: &RpcError) -> Reply {
        let code = code_of(error, self.era);
        let status = status_of(code, self.era);
        Reply::Error { status, message: self.start.error(error, code), headers: Box::default() }
    }

    /// An `EmptyResult` of the legacy era.
    pub(crate) fn nothing(self) -> Reply {
        self.result(|buffer, _, _| buffer.extend_from_slice(b"{}"))
    }

    /// The result of a call.
    pub(crate) fn output(self, output: &impl WriteResult) -> Reply {
        self.result(|buffer, era, settings| output.write(buffer, era, settings))
    }

    /// The result of a list: `opening` is what comes before the definitions.
    pub(crate) fn list(self, opening: &str, page: &Page) -> Reply {
        let mut at = 0;
        let text = self.start.result(|buffer| {
            buffer.extend_from_slice(opening.as_bytes());
            at = buffer.len();
            buffer.push(b']');
            if let Some(cursor) = &page.next_cursor {
                write::key(buffer, "nextCursor");
                write::string(buffer, cursor);
            }
            if self.era == Era::Modern {
                write_cache_hint(buffer, page.cache);
            }
            match &page.meta {
                None => end_result(buffer, self.era, &self.settings),
                Some(members) => end_result_with(buffer, members, self.era, &self.settings),
            }
        });
        let whole = Message { text, shared: Some((at, page.definitions.clone())) };
        let is_small = page.definitions.len() < SHARED_FROM;
        Reply::Result(if is_small { whole.into_vec().into() } else { whole })
    }

    /// An `InitializeResult`.
    pub(crate) fn initialize(self, capabilities: ServerCapabilities, revision: Revision) -> Reply {
        self.result(|buffer, _, settings| {
            buffer.push(b'{');
            write::key(buffer, "protocolVersion");
            write::string(buffer, revision.as_str());
            write_about(buffer, capabilities, Era::Legacy, settings);
            write::key(buffer, "serverInfo");
            buffer.extend_from_slice(settings.server_info.as_bytes());
            buffer.push(b'}');
        })
    }

    /// A `DiscoverResult`.
    pub(crate) fn discover(self, capabilities: ServerCapabilities) -> Reply {
        self.result(|buffer, era, settings| {
            buffer.push(b'{');
            write::key(buffer, "supportedVersions");
            buffer.extend_from_slice(settings.version_list.as_bytes());
            write_about(buffer, capabilities, era, settings);
            write_cache_hint(buffer, settings.cache_hint);
            end_result(buffer, era, settings);
        })
    }

    /// The end of a `subscriptions/listen`, tagged with the request's id as all that went
    /// before it.
    pub(crate) fn listened(self, id: &str) -> Reply {
        self.result(|buffer, era, settings| {
            buffer.extend_from_slice(br#"{"resultType":"complete""#);
            open_meta(buffer, era, settings);
            write::key(buffer, meta::SUBSCRIPTION_ID);
            buffer.extend_from_slice(id.as_bytes());
            buffer.extend_from_slice(b"}}");
        })
    }

    /// An `InputRequiredResult`, or why there can be none.
    #[cfg(feature = "ask")]
    pub(crate) fn input_required(self, required: Result<crate::ask::Required, RpcError>) -> Reply {
        match required {
            Ok(required) => self.output(&required),
            Err(error) => self.error(&error),
        }
    }

    fn result(self, write: impl FnOnce(&mut Vec<u8>, Era, &Settings)) -> Reply {
        let Self { start, era, settings } = self;
        Reply::Result(start.result(|buffer| write(buffer, era, &settings)).into())
    }
}
