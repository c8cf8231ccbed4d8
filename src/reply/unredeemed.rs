//! A call with a sealed state, which a guard must redeem before the call starts.

use http::request::Parts;

use super::draft::Draft;
use super::message::SingleReply;
use crate::ask::{self, Redemption};

/// A call whose state is not redeemed yet.
pub(crate) struct UnredeemedCall {
    pub(crate) head: Parts,
    pub(crate) redemption: Redemption,
    pub(crate) draft: Draft,
}

impl UnredeemedCall {
    /// Redeems the state. Returns the head with which to serve the request from the start, or the
    /// error reply.
    pub(crate) async fn redeem(mut self) -> Result<Parts, SingleReply> {
        match ask::redeem(self.redemption, &mut self.head, &self.draft.settings.ask).await {
            Ok(()) => Ok(self.head),
            Err(error) => Err(self.draft.error(&error)),
        }
    }

    /// Returns the error reply for a place that cannot wait for the guard.
    pub(crate) fn refuse(self) -> SingleReply {
        self.draft.error(&ask::refusal())
    }
}
