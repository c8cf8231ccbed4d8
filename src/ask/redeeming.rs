//! Redeems the state that a request brings, before the request is served.

use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;

use http::request::Parts;

use super::Redemption;
use super::state::refusal;
use crate::config::Settings;
use crate::deadline::Deadline;
use crate::reply::{Draft, Reply};
use crate::rpc::{ErrorCode, RpcError};

/// How long a guard may take.
const LIMIT: Duration = Duration::from_secs(10);

/// In the extensions of a request whose state has been redeemed: the id of the state.
#[derive(Clone)]
pub(super) struct RedeemedMark(pub(super) String);

/// A request that waits until its state is redeemed.
pub(crate) struct UnredeemedCall {
    pub(crate) head: Parts,
    pub(crate) redemption: Redemption,
    pub(crate) draft: Draft,
}

impl UnredeemedCall {
    /// Redeems the state. Gives the head, with which the request can be served from its
    /// beginning; or why it is not served.
    pub(crate) async fn redeem(mut self) -> Result<Parts, Reply> {
        match redeem(&self.redemption, &self.draft.settings).await {
            Ok(()) => {
                self.head.extensions.insert(RedeemedMark(self.redemption.id));
                Ok(self.head)
            }
            Err(error) => Err(self.draft.error(&error)),
        }
    }

    /// The reply where nothing can be waited for.
    pub(crate) fn refuse(self) -> Reply {
        self.draft.error(&refusal())
    }
}

async fn redeem(redemption: &Redemption, settings: &Settings) -> Result<(), RpcError> {
    let unknown =
        || RpcError::new(ErrorCode::INTERNAL_ERROR, "The answers cannot be taken now: try again later");
    let Some(guard) = &settings.ask.guard else { return Err(unknown()) };
    let mut redeeming = pin!(async { guard.redeem(redemption).await });
    let mut deadline = Deadline::new(LIMIT);
    let redeemed = poll_fn(|cx| match catch_unwind(AssertUnwindSafe(|| redeeming.as_mut().poll(cx))) {
        Ok(Poll::Ready(redeemed)) => Poll::Ready(redeemed),
        Ok(Poll::Pending) => deadline.poll(cx).map(|()| Err(format!("no answer within {LIMIT:?}").into())),
        Err(_) => Poll::Ready(Err("it panicked".into())),
    });
    match redeemed.await {
        Ok(true) => Ok(()),
        Ok(false) => Err(refusal()),
        Err(error) => {
            tracing::error!(error, "the answer guard could not redeem a state");
            Err(unknown())
        }
    }
}
