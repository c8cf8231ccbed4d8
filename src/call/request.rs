//! A call, as a registry gets it.

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

/// A `tools/call`, `prompts/get` or `resources/read` that has passed the manager's checks, as a
/// [`Registry`](crate::Registry) gets it. It borrows from the request's body.
pub struct Call<'a> {
    pub(crate) target: &'a str,
    /// The target as the client wrote it.
    pub(crate) written: &'a str,
    /// The target of the client's request, even if an outer registry has changed `target`.
    pub(crate) called: &'a str,
    pub(crate) arguments: &'a str,
    /// Set only for middleware.
    pub(crate) tags: Tags,
    pub(crate) head: &'a mut Parts,
    pub(crate) revision: Revision,
    pub(crate) meta: &'a Meta<'a>,
    pub(crate) log_level: Option<LogLevel>,
    pub(crate) settings: &'a Arc<Settings>,
    pub(crate) takes_stream: bool,
    /// Checks arguments after they have been deserialised.
    pub(crate) check: Option<&'a ArgumentCheck<'a>>,
    #[cfg(feature = "ask")]
    pub(crate) purpose: Purpose<'a>,
    #[cfg(feature = "ask")]
    pub(crate) answers: Answers,
    /// Set when the handler takes a context. The manager reads notifications from it.
    pub(crate) exchange: &'a mut Option<Arc<Exchange>>,
}

/// Checks arguments, the JSON text of an object. Returns a message if they are invalid.
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
    /// The URI is in its canonical form (RFC 3986, section 6.2.2), so a registry that checks it and
    /// one that reads it see the same text, however the client spells it. It may contain encoded
    /// characters, which a registry should not decode after access has been checked.
    pub fn target(&self) -> &'a str {
        self.target
    }

    /// Returns the [`target`](Self::target) as the client wrote it, for replies that repeat it.
    pub fn as_written(&self) -> &'a str {
        self.written
    }

    /// Returns the arguments of the tool or the prompt: the JSON text of an object, as the client
    /// sent it. `{}` if it sent none, and for a resource.
    pub fn arguments(&self) -> &'a str {
        self.arguments
    }

    /// Returns the tags of the target inside a [`Middleware`](crate::registry::Middleware). Empty
    /// elsewhere.
    pub fn tags(&self) -> &Tags {
        &self.tags
    }

    pub(crate) fn with_tags(self, tags: Tags) -> Self {
        Self { tags, ..self }
    }

    /// Returns the head of the HTTP request.
    pub fn head(&self) -> &Parts {
        match &self.exchange {
            // The context owns the head.
            Some(exchange) => &exchange.head,
            None => self.head,
        }
    }

    /// Returns the protocol revision of the request.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// Returns the same call with another target, such as the name of the tool in an inner registry.
    /// From here on the call is treated as if the client had written that target.
    #[must_use]
    pub fn with_target(self, target: &'a str) -> Self {
        Self { target, written: target, ..self }
    }

    /// Returns the same call with other arguments, the JSON text of an object.
    pub(crate) fn with_arguments<'b>(self, arguments: &'b str) -> Call<'b>
    where
        'a: 'b,
    {
        let call: Call<'b> = self;
        Call { arguments, ..call }
    }

    /// Returns a copy of `name` if the client called the target by another name. Not an `Arc` clone,
    /// because its count would be memory that all calls write to.
    pub(crate) fn other_name(&self, name: &str) -> Option<Arc<str>> {
        (*name != *self.called).then(|| name.into())
    }

    /// Checks the arguments beyond their type. Returns a message if they are invalid.
    pub(super) fn misfit(&self) -> Option<String> {
        self.check.and_then(|check| check(self.arguments))
    }

    /// Returns the context of the call, with which the handler can send notifications and ask. The
    /// first one costs an allocation. All contexts of a call refer to the same request.
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
            // From here on the head is read from the exchange.
            head: std::mem::replace(self.head, http::Request::new(()).into_parts().0),
            revision: self.revision,
            meta: self.meta.to_json(),
            progress: progress.map(|token| (token.text().into(), Mutex::new(f64::NEG_INFINITY))),
            log_from,
            outbox: Outbox::new(self.takes_stream),
            #[cfg(feature = "otel")]
            propagation: self.settings.observe.propagation.clone(),
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

    /// Requires that the client supports tasks, which clients of the legacy era do not.
    #[cfg(feature = "tasks")]
    pub(crate) fn require_tasks(&self) -> Result<(), RpcError> {
        error::require_tasks(self.revision.era(), self.meta.client_capabilities)
    }

    /// Requires the client to declare a capability. Requests of the legacy era do not declare any,
    /// and always pass.
    ///
    /// # Errors
    /// `-32021` when the client does not declare it.
    pub fn require(&self, capability: ClientCapability) -> Result<(), RpcError> {
        error::require(capability, self.revision.era(), self.meta.client_capabilities)
    }
}
