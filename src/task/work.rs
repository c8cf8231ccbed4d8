//! The work of a task: the rest of a call.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use serde_json::value::RawValue;

use super::data::raw;
use crate::ask::InputRequired;
use crate::call::{CallError, Exchange, GuardedCall, Output, ResultWriter, Surroundings, WriteResult};
#[cfg(feature = "auth")]
use crate::jsonrpc::ErrorCode;
use crate::jsonrpc::RpcError;
use crate::protocol::Era;
use crate::settings::Settings;

/// The rest of a call, until it ends. Dropping it cancels the call.
pub(super) type Work = Pin<Box<dyn Future<Output = Ended> + Send>>;

/// How the call of a task has ended.
pub(super) enum Ended {
    /// With the JSON of a result.
    Result(Box<RawValue>),
    Error(RpcError),
    /// With questions that its handler returned. When they are answered, the call is restarted.
    Asked(Box<InputRequired>),
    /// All questions that the handler returned have answers.
    Answered,
}

/// Returns the rest of a call.
pub(super) fn work<T: Output + WriteResult>(
    call: GuardedCall<T>,
    exchange: Option<Arc<Exchange>>,
    settings: &Arc<Settings>,
) -> Work {
    let mut work = CallWork { call, exchange, settings: Arc::clone(settings) };
    Box::pin(poll_fn(move |cx| work.poll(cx)))
}

struct CallWork<T: Output> {
    call: GuardedCall<T>,
    exchange: Option<Arc<Exchange>>,
    settings: Arc<Settings>,
}

impl<T: Output + WriteResult> CallWork<T> {
    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Ended> {
        let surroundings = Surroundings {
            exchange: self.exchange.as_deref(),
            error_maps: self.settings.error_maps.as_deref(),
            target: "",
        };
        let outcome = std::task::ready!(self.call.poll(cx, surroundings));
        if let Some(exchange) = &self.exchange {
            exchange.close();
        }
        Poll::Ready(self.ended(outcome))
    }

    fn ended(&self, mut outcome: Result<T, CallError>) -> Ended {
        if let Err(CallError::Failed(error)) = &outcome {
            outcome = error.answer(self.call.name(""), &self.settings.shown_errors);
        }
        match outcome {
            Ok(output) => {
                let mut json = Vec::new();
                output.write(&mut ResultWriter::new(&mut json, Era::Modern, &self.settings.result_texts));
                raw(json).map_or_else(|| Ended::Error(RpcError::internal()), Ended::Result)
            }
            Err(CallError::Rpc(error)) => Ended::Error(error),
            // Unreachable: a failure is never answered with another failure, and a refused call does not
            // become a task.
            Err(CallError::Failed(_) | CallError::TooManyCalls(_)) => Ended::Error(RpcError::internal()),
            #[cfg(feature = "auth")]
            Err(CallError::InsufficientScope(missing)) => {
                Ended::Error(RpcError::new(ErrorCode::INVALID_REQUEST, missing.to_string()))
            }
            Err(CallError::InputRequired(required)) => Ended::Asked(required),
        }
    }
}

impl<T: Output> Drop for CallWork<T> {
    fn drop(&mut self) {
        self.call.cancel();
        if let Some(exchange) = &self.exchange {
            exchange.close();
        }
    }
}
