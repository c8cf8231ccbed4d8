//! A call on its way to its handler.

use std::fmt;
use std::sync::{Arc, Mutex};

use http::request::Parts;

use super::context::{Exchange, LogFrom};
use super::outbox::Outbox;
use super::{CallContext, Tags};
#[cfg(feature = "ask")]
use crate::ask::{Answers, Asks, Purpose};
use crate::jsonrpc::{Id, RpcError};
use crate::protocol::error;
use crate::protocol::meta::Meta;
use crate::protocol::{ClientCapability, Era, LogLevel, Revision};
use crate::settings::Settings;
use crate::tool::MirroredParams;

/// A `tools/call`, `prompts/get` or `resources/read` that has passed the manager's
/// checks, as a [`Registry`](crate::Registry) gets it. Borrows from the request's body.
pub struct Call<'a> {
    pub(crate) target: &'a str,
    /// The target as the client wrote it.
    pub(crate) written: &'a str,
    /// The target of the client's call, whatever the registries around this one make of it.
    pub(crate) called: &'a str,
    pub(crate) arguments: &'a str,
    /// Known where a middleware runs.
    pub(crate) tags: Tags,
    pub(crate) head: &'a mut Parts,
    pub(crate) revision: Revision,
    pub(crate) meta: &'a Meta<'a>,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) takes_stream: bool,
    /// Says what is wrong with arguments that fit their type.
    pub(crate) check: Option<&'a ArgumentCheck<'a>>,
    #[cfg(feature = "ask")]
    pub(crate) purpose: Purpose<'a>,
    #[cfg(feature = "ask")]
    pub(crate) answers: Answers,
    /// Where the manager looks for what is sent on the way.
    pub(crate) exchange: &'a mut Option<Arc<Exchange>>,
}

/// Returns what is wrong with arguments, the JSON text of an object.
pub(crate) type ArgumentCheck<'a> = dyn Fn(&str) -> Option<String> + 'a;

impl fmt::Debug for Call<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Call")
            .field("target", &self.target)
            .field("arguments", &self.arguments)
            .field("revision", &self.revision)
            .finish_non_exhaustive()
    }
}

impl<'a> Call<'a> {
    /// Returns the name of the tool or the prompt, or the URI of the resource.
    ///
    /// The URI is in its canonical form (RFC 3986, section 6.2.2): what one registry allows is
    /// what the next one reads, however the client spells it. It may still hold encoded
    /// characters, which a registry should not decode after the URI has been judged.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// Returns the [`target`](Self::target) as the client wrote it, for replies that repeat it.
    pub fn as_written(&self) -> &'a str {
        self.written
    }

    /// The arguments of the tool or the prompt: the JSON text of an object, as the
    /// client sent it; `{}` if it sent none, and for a resource.
    pub fn arguments(&self) -> &'a str {
        self.arguments
    }

    /// Returns the tags of what is called, inside a [`Middleware`](crate::registry::Middleware); elsewhere
    /// there are none.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    pub(crate) fn with_tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }

    /// The head of the HTTP request.
    pub fn head(&self) -> &Parts {
        match &self.exchange {
            // A context takes it along.
            Some(exchange) => &exchange.head,
            None => self.head,
        }
    }

    /// The revision of the protocol that the request speaks.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the same call of something else, such as a tool that the registry within knows
    /// under another name. From here on it is judged, read and answered as if the client had
    /// written that.
    #[must_use]
    pub fn with_target(self, target: &'a str) -> Self {
        Self { target, written: target, ..self }
    }

    /// The same call with other arguments, the JSON text of an object.
    pub(crate) fn with_arguments<'b>(self, arguments: &'b str) -> Call<'b>
    where
        'a: 'b,
    {
        let call: Call<'b> = self;
        Call { arguments, ..call }
    }

    /// Returns the name of what serves the call, unless the client called it by that. A copy,
    /// because to count a reference would write to memory that all calls share.
    pub(crate) fn other_name(&self, name: &str) -> Option<Arc<str>> {
        (*name != *self.called).then(|| name.into())
    }

    /// Returns what is wrong with arguments that fit their type.
    pub(super) fn misfit(&self) -> Option<String> {
        self.check.and_then(|check| check(self.arguments))
    }

    /// Returns what the handler may want of the request. Without a context it can send no
    /// notifications and ask nothing, and costs an allocation less. Every context of a call
    /// stands for the same request.
    pub fn context(&mut self) -> CallContext {
        if let Some(exchange) = &self.exchange {
            return CallContext::new(Arc::clone(exchange));
        }
        let progress = self.meta.progress_token.filter(|token| Id::from_json(token.text()).is_some());
        let log_from = match (self.settings.logging, self.revision.era(), self.log_level) {
            (true, Era::Legacy, _) => LogFrom::Level(LogLevel::Debug),
            (true, Era::Modern, Some(level)) => LogFrom::Level(level),
            _ => LogFrom::Nothing,
        };
        #[cfg(feature = "ask")]
        let answers = std::mem::take(&mut self.answers);
        let exchange = Arc::new(Exchange {
            // From here on it is read from the exchange.
            head: std::mem::replace(self.head, http::Request::new(()).into_parts().0),
            revision: self.revision,
            meta: self.meta.to_json(),
            progress: progress.map(|token| (token.text().into(), Mutex::new(f64::NEG_INFINITY))),
            log_from,
            outbox: Outbox::new(self.takes_stream),
            #[cfg(feature = "ask")]
            asks: Asks::new(self.revision.era(), self.purpose, answers, Arc::clone(self.settings)),
        });
        *self.exchange = Some(Arc::clone(&exchange));
        CallContext::new(exchange)
    }

    /// Turns the call into its [`context`](Self::context).
    pub fn into_context(mut self) -> CallContext {
        self.context()
    }

    /// Demands a capability of the client's. In the legacy era no request tells, and
    /// nothing is demanded.
    ///
    /// # Errors
    /// `-32021` when the client does not declare it.
    pub fn require(&self, capability: ClientCapability) -> Result<(), RpcError> {
        error::require(capability, self.revision.era(), self.meta.client_capabilities)
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
            Era::Modern => mirrored.check(self.arguments, &self.head().headers),
        }
    }
}
