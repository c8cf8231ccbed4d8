//! A call with a sealed state, which a guard must redeem before the call starts.

use std::future::poll_fn;
use std::pin::pin;

use http::request::Parts;

use super::draft::Draft;
use super::message::SingleReply;
use crate::ask::{self, Redemption};
use crate::observe::PendingObserved;
use crate::settings::Settings;

/// A call whose state is not redeemed yet.
pub(crate) struct UnredeemedCall {
    pub(crate) head: Parts,
    pub(crate) redemption: Redemption,
    pub(crate) draft: Draft,
    pub(crate) observed: PendingObserved,
}

impl UnredeemedCall {
    /// Redeems the state. Returns the head with which to serve the request from the start, and what
    /// is observed of it so far, or the error reply.
    pub(crate) async fn redeem(
        mut self,
        settings: &Settings,
    ) -> Result<(Parts, PendingObserved), SingleReply> {
        let redeemed = {
            let mut redeeming = pin!(ask::redeem(self.redemption, &mut self.head, &settings.ask));
            poll_fn(|cx| self.observed.in_span(|| redeeming.as_mut().poll(cx))).await
        };
        match redeemed {
            Ok(()) => Ok((self.head, self.observed)),
            Err(error) => {
                let reply = self.draft.error(&error);
                self.observed.note(reply.end());
                Err(reply)
            }
        }
    }

    /// Returns the error reply for a place that cannot wait for the guard.
    pub(crate) fn refuse(self) -> SingleReply {
        self.draft.error(&ask::refusal())
    }
}
