//! A call on its way to its tool.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::request::Parts;

use super::ToolContext;
use super::context::{Exchange, LogFrom};
use super::mirror::MirroredParams;
use crate::protocol::meta::Meta;
use crate::protocol::{ClientCapability, Era, LogLevel, Revision};
use crate::rejection;
use crate::rpc::{Id, RpcError};
use crate::stream::Outbox;

/// A `tools/call` that has passed the manager's checks, as a
/// [`Registry`](crate::Registry) gets it. Borrows from the request's body.
pub struct ToolCall<'a> {
    pub(crate) name: &'a str,
    pub(crate) arguments: &'a str,
    pub(crate) head: Parts,
    pub(crate) revision: Revision,
    pub(crate) meta: &'a Meta<'a>,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) is_logging: bool,
    pub(crate) takes_stream: bool,
    /// Where the manager looks for notifications.
    pub(crate) exchange: &'a mut Option<Arc<Exchange>>,
}

impl fmt::Debug for ToolCall<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ToolCall")
            .field("name", &self.name)
            .field("arguments", &self.arguments)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl ToolCall<'_> {
    /// The name of the tool.
    pub fn name(&self) -> &str {
        self.name
    }

    /// The arguments: the JSON text of an object, as the client sent it; `{}` if
    /// it sent none.
    pub fn arguments(&self) -> &str {
        self.arguments
    }

    /// The head of the HTTP request.
    pub fn head(&self) -> &Parts {
        &self.head
    }

    /// The revision of the protocol that the request speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// What the tool may want of the request. Without a context the tool can send
    /// no notifications, and costs an allocation less.
    pub fn into_context(self) -> ToolContext {
        let progress = self.meta.progress_token.filter(|token| Id::from_json(token.text()).is_some());
        let log_from = match (self.is_logging, self.revision.era(), self.log_level) {
            (true, Era::Legacy, _) => LogFrom::Level(LogLevel::Debug),
            (true, Era::Modern, Some(level)) => LogFrom::Level(level),
            _ => LogFrom::Nothing,
        };
        let exchange = Arc::new(Exchange {
            head: self.head,
            revision: self.revision,
            meta: self.meta.to_json(),
            progress: progress.map(|token| (token.text().into(), Mutex::new(f64::NEG_INFINITY))),
            log_from,
            outbox: Outbox::new(self.takes_stream),
        });
        *self.exchange = Some(Arc::clone(&exchange));
        ToolContext::new(exchange)
    }

    /// Demands a capability of the client's. In the legacy era no request tells, and
    /// nothing is demanded.
    ///
    /// # Errors
    /// `-32021` when the client does not declare it.
    pub fn require(&self, capability: ClientCapability) -> Result<(), RpcError> {
        rejection::require(capability, self.revision.era(), self.meta.client_capabilities)
    }

    /// Demands that the request's headers repeat the arguments that they mirror, as
    /// the specification wants it of a tool whose schema has an `x-mcp-header`. In the
    /// legacy era there are no such headers, and nothing is demanded.
    ///
    /// # Errors
    /// `-32020` when one is missing, malformed or different.
    pub fn check_headers(&self, mirrored: &MirroredParams) -> Result<(), RpcError> {
        match self.revision.era() {
            Era::Legacy => Ok(()),
            Era::Modern => mirrored.check(self.arguments, &self.head.headers),
        }
    }
}
