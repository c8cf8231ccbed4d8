//! Handlers beside calls: those that list resources and that complete arguments.

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

/// A request that a handler serves although it is not a call. The handler takes what a handler
/// of a call takes; its context sends nothing and cannot ask.
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

    /// Runs a handler, which `name` stands for in the log. Its failures, its panics and its time
    /// limit are logged and answered as those of a call.
    pub(crate) async fn run<T: Output>(
        self,
        handler: &BoundHandler<T>,
        name: &str,
        arguments: &str,
    ) -> Result<T, RpcError> {
        // A catalog looks at lists before there is a manager, and waits for none.
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
                tracing::error!(kind = %T::KIND, "{other}, which only a call can have");
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
