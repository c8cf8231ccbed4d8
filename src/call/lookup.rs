//! Handlers that do not serve calls, but list resources or complete arguments.

use std::future::poll_fn;
use std::sync::Arc;

use http::request::Parts;

use super::{BoundHandler, Call, CallError, GuardedCall, Output, Surroundings, Tags};
#[cfg(feature = "ask")]
use crate::ask::{Answers, Purpose};
use crate::jsonrpc::RpcError;
use crate::protocol::Revision;
use crate::protocol::meta::Meta;
use crate::settings::Settings;

/// A request other than a call that a handler serves. The handler takes the same arguments as that
/// of a call, but its context sends nothing and cannot ask.
#[derive(Clone)]
pub(crate) struct Lookup {
    head: Parts,
    revision: Revision,
    settings: Option<Arc<Settings>>,
}

impl Lookup {
    pub(crate) fn new(head: &Parts, revision: Revision, settings: Option<&Arc<Settings>>) -> Self {
        Self { head: head.clone(), revision, settings: settings.cloned() }
    }

    /// Runs a handler. Failures, panics and timeouts are logged under `name`, and answered like
    /// those of a call.
    pub(crate) async fn run<T: Output>(
        self,
        handler: &BoundHandler<T>,
        name: &str,
        arguments: &str,
    ) -> Result<T, RpcError> {
        // Without a manager: a catalog that is being built reads the lists that are ready.
        let Some(settings) = self.settings.clone() else { return Err(RpcError::internal()) };
        let mut running = self.start(handler, name, arguments, &settings);
        let surroundings =
            Surroundings { exchange: None, error_maps: settings.error_maps.as_deref(), target: name };
        let outcome = match poll_fn(|cx| running.poll(cx, surroundings)).await {
            Err(CallError::Failed(error)) => error.answer(name, &settings.shown_errors),
            outcome => outcome,
        };
        outcome.map_err(|error| match error {
            CallError::Rpc(error) => error,
            other => {
                let reason = other.to_string();
                tracing::error!(kind = %T::KIND, reason, "a list or completion returned an error that only calls can return");
                RpcError::internal()
            }
        })
    }

    fn start<T: Output>(
        mut self,
        handler: &BoundHandler<T>,
        name: &str,
        arguments: &str,
        settings: &Arc<Settings>,
    ) -> GuardedCall<T> {
        let (meta, mut exchange) = (Meta::default(), None);
        let call = Call {
            target: name,
            written: name,
            arguments,
            tags: Tags::default(),
            called: name,
            head: &mut self.head,
            revision: self.revision,
            meta: &meta,
            log_level: None,
            settings,
            takes_stream: false,
            check: None,
            #[cfg(feature = "ask")]
            purpose: Purpose { method: "", target: name, arguments },
            #[cfg(feature = "ask")]
            answers: Answers::default(),
            exchange: &mut exchange,
        };
        let running = GuardedCall::start(|| handler(call), settings);
        if let Some(exchange) = exchange {
            exchange.close();
        }
        running
    }
}
