//! The answer to a request, before it is HTTP.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, StatusCode};

use crate::config::Settings;
use crate::http::Body;
use crate::protocol::{
    CacheHint, CacheScope, Content, Declared, DeclaredCapabilities, Era, ResourceContents, Revision,
    ServerCapabilities, meta,
};
use crate::registry::ToolPage;
use crate::rejection::Rejection;
use crate::rpc::write::{self, ReplyId, ReplyStart};
use crate::rpc::{ErrorCode, RpcError};
use crate::stream::Stream;
use crate::tool::ToolOutput;

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
    /// A stream that is complete already: its events.
    Events(Vec<u8>),
}

impl Reply {
    /// The answer to a request that is not served.
    pub(crate) fn refuse(rejection: Rejection, id: ReplyId<'_>, settings: &Settings) -> Self {
        tracing::debug!(%rejection, "refused");
        let message = ReplyStart::new(id).error(&rejection.to_error(settings));
        Self::Error { status: rejection.status(), message, headers: Box::new(rejection.into_headers()) }
    }

    /// The JSON-RPC message; nothing for the kinds that are no single one.
    pub(crate) fn into_message(self) -> Vec<u8> {
        match self {
            Self::Result(message) => message.into_vec(),
            Self::Error { message, .. } => message,
            Self::Accepted | Self::Stream(_) | Self::Events(_) => Vec::new(),
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

/// The HTTP status of an error that a method answers: the specification gives
/// some codes a status of their own in the modern era; otherwise HTTP has done
/// its part.
fn status_of(error: &RpcError, era: Era) -> StatusCode {
    match (era, error.code()) {
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
        let status = status_of(error, self.era);
        Reply::Error { status, message: self.start.error(error), headers: Box::default() }
    }

    /// An `EmptyResult` of the legacy era.
    pub(crate) fn nothing(self) -> Reply {
        self.result(|buffer, _, _| buffer.extend_from_slice(b"{}"))
    }

    /// What became of a `tools/call`.
    pub(crate) fn outcome(self, outcome: Result<ToolOutput, RpcError>) -> Reply {
        match outcome {
            Ok(output) => self.result(|buffer, era, settings| write_output(buffer, &output, era, settings)),
            Err(error) => self.error(&error),
        }
    }

    /// A `ListToolsResult`.
    pub(crate) fn tools(self, page: &ToolPage) -> Reply {
        let mut at = 0;
        let text = self.start.result(|buffer| {
            buffer.extend_from_slice(br#"{"tools":["#);
            at = buffer.len();
            buffer.push(b']');
            if let Some(cursor) = &page.next_cursor {
                write::key(buffer, "nextCursor");
                write::string(buffer, cursor);
            }
            if self.era == Era::Modern {
                write_cache_hint(buffer, page.cache);
            }
            end_result(buffer, self.era, &self.settings);
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
            write_about(buffer, capabilities, settings);
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
            write_about(buffer, capabilities, settings);
            write_cache_hint(buffer, settings.cache_hint);
            end_result(buffer, era, settings);
        })
    }

    fn result(self, write: impl FnOnce(&mut Vec<u8>, Era, &Settings)) -> Reply {
        let Self { start, era, settings } = self;
        Reply::Result(start.result(|buffer| write(buffer, era, &settings)).into())
    }
}

/// Writes what both ways of opening tell: capabilities and instructions.
fn write_about(buffer: &mut Vec<u8>, capabilities: ServerCapabilities, settings: &Settings) {
    let declared = DeclaredCapabilities {
        logging: settings.logging.then_some(Declared {}),
        tools: capabilities.tools.then_some(Declared {}),
    };
    write::key(buffer, "capabilities");
    // Objects with fixed keys are always JSON.
    let _ = write::json(buffer, &declared);
    if let Some(instructions) = &settings.instructions {
        write::key(buffer, "instructions");
        write::string(buffer, instructions);
    }
}

fn write_cache_hint(buffer: &mut Vec<u8>, hint: CacheHint) {
    write::key(buffer, "ttlMs");
    write::display(buffer, hint.ttl.as_millis());
    write::key(buffer, "cacheScope");
    let scope = match hint.scope {
        CacheScope::Private => "private",
        CacheScope::Public => "public",
    };
    write::string(buffer, scope);
}

/// Ends the object of a result, with what every result of the modern era carries.
fn end_result(buffer: &mut Vec<u8>, era: Era, settings: &Settings) {
    match era {
        Era::Legacy => buffer.push(b'}'),
        Era::Modern => buffer.extend_from_slice(settings.modern_result_end.as_bytes()),
    }
}

/// Writes a `CallToolResult`.
fn write_output(buffer: &mut Vec<u8>, output: &ToolOutput, era: Era, settings: &Settings) {
    buffer.extend_from_slice(br#"{"content":["#);
    for (index, block) in output.content.as_slice().iter().enumerate() {
        if index > 0 {
            buffer.push(b',');
        }
        write_content(buffer, block);
    }
    buffer.push(b']');
    if let Some(structured) = &output.structured
        && (era == Era::Modern || structured.get().starts_with('{'))
    {
        write::key(buffer, "structuredContent");
        buffer.extend_from_slice(structured.get().as_bytes());
    }
    if output.is_error {
        buffer.extend_from_slice(br#","isError":true"#);
    }
    match &output.meta {
        None => end_result(buffer, era, settings),
        Some(members) => {
            if era == Era::Modern {
                buffer.extend_from_slice(br#","resultType":"complete""#);
            }
            write::key(buffer, "_meta");
            buffer.push(b'{');
            if era == Era::Modern {
                write::key(buffer, meta::SERVER_INFO);
                buffer.extend_from_slice(settings.server_info.as_bytes());
            }
            for (name, value) in members.iter().filter(|(name, _)| *name != meta::SERVER_INFO) {
                write::key(buffer, name);
                buffer.extend_from_slice(value.to_string().as_bytes());
            }
            buffer.extend_from_slice(b"}}");
        }
    }
}

/// Writes a content block. By hand rather than by `serde`, for texts and base64
/// can be large.
fn write_content(buffer: &mut Vec<u8>, block: &Content) {
    let annotations = match block {
        Content::Text { text, annotations } => {
            buffer.extend_from_slice(br#"{"type":"text","text":"#);
            write::string(buffer, text);
            annotations
        }
        Content::Image { data, mime_type, annotations } => {
            write_media(buffer, "image", data, mime_type);
            annotations
        }
        Content::Audio { data, mime_type, annotations } => {
            write_media(buffer, "audio", data, mime_type);
            annotations
        }
        Content::Resource { resource, annotations } => {
            buffer.extend_from_slice(br#"{"type":"resource","resource":{"uri":"#);
            write::string(buffer, &resource.uri);
            if let Some(mime_type) = &resource.mime_type {
                write::key(buffer, "mimeType");
                write::string(buffer, mime_type);
            }
            let (name, contents) = match &resource.contents {
                ResourceContents::Text(text) => ("text", text),
                ResourceContents::Base64(blob) => ("blob", blob),
            };
            write::key(buffer, name);
            write::string(buffer, contents);
            buffer.push(b'}');
            annotations
        }
        Content::ResourceLink(link) => {
            // Its own members follow the type's.
            buffer.extend_from_slice(br#"{"type":"resource_link","#);
            let start = buffer.len();
            // Strings, numbers and lists of them are always JSON.
            let _ = write::json(buffer, link);
            buffer.remove(start);
            return;
        }
    };
    if let Some(annotations) = annotations {
        write::key(buffer, "annotations");
        let _ = write::json(buffer, annotations);
    }
    buffer.push(b'}');
}

fn write_media(buffer: &mut Vec<u8>, kind: &str, data: &str, mime_type: &str) {
    buffer.extend_from_slice(br#"{"type":"#);
    write::string(buffer, kind);
    write::key(buffer, "data");
    write::string(buffer, data);
    write::key(buffer, "mimeType");
    write::string(buffer, mime_type);
}
