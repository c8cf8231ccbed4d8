//! Redeems the state that a request brings, before the request is served.

use std::time::Duration;

use http::request::Parts;

use super::Redemption;
use super::state::refusal;
use crate::config::Settings;
use crate::reply::{Draft, Reply};
use crate::rpc::{ErrorCode, RpcError};

/// How long a guard may take.
const LIMIT: Duration = Duration::from_secs(10);

/// In the extensions of a request whose state has been redeemed.
#[derive(Clone, Copy)]
pub(super) struct RedeemedMark;

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
                self.head.extensions.insert(RedeemedMark);
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
    let redeeming = guard.redeem(redemption);
    let redeemed = if tokio::runtime::Handle::try_current().is_ok() {
        tokio::time::timeout(LIMIT, redeeming).await
    } else {
        Ok(redeeming.await)
    };
    match redeemed {
        Ok(Ok(true)) => Ok(()),
        Ok(Ok(false)) => Err(refusal()),
        Ok(Err(error)) => {
            tracing::error!(error, "the answer guard could not redeem a state");
            Err(unknown())
        }
        Err(_) => {
            tracing::error!(limit = ?LIMIT, "the answer guard did not answer in time");
            Err(unknown())
        }
    }
}
