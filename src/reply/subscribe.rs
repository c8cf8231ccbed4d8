//! Starts subscriptions.

use std::sync::Arc;

use http::request::Parts;

use super::dispatch::Dispatcher;
use super::draft::Draft;
use super::listen::{SubscriptionFilter, SubscriptionStream};
use super::message::SingleReply;
use super::pending::PendingReply;
use super::reply::Reply;
use crate::http::HttpFault;
use crate::jsonrpc::Raw;
use crate::jsonrpc::write::ReplyId;
use crate::observe::ObservedRef;
use crate::principal::Principal;
use crate::registry::guarded;
use crate::request::{Rejection, ValidRequest};

/// The maximum length of a subscription's id, in bytes. Every message of the stream repeats it.
const MAX_SUBSCRIPTION_ID: usize = 1024;

impl<'r> Dispatcher<'r> {
    /// Starts a `subscriptions/listen`.
    pub(super) fn listen(
        &self,
        request: &ValidRequest<'_>,
        head: &Parts,
        mut observed: ObservedRef<'_, '_>,
    ) -> PendingReply<'r> {
        let draft = Draft::of(request);
        let id = ReplyId::Request(request.id);
        let refuse = |rejection| SingleReply::refuse(rejection, id, self.settings);
        if !self.accepts.takes_stream() {
            return PendingReply::ready(refuse(HttpFault::NotAcceptable.into()), observed);
        }
        if request.id.as_json().len() > MAX_SUBSCRIPTION_ID {
            let fault = "the `id` of a subscription must have at most 1024 bytes";
            return PendingReply::ready(refuse(Rejection::InvalidRequest(fault)), observed);
        }
        let wanted = request.params.rare_params().notifications.map_or("null", Raw::text);
        let honoured = |wanted: SubscriptionFilter| guarded(|| wanted.honoured(self.registry, head));
        let wanted = match SubscriptionFilter::read(wanted).and_then(honoured) {
            Ok(wanted) => wanted,
            Err(error) => return PendingReply::ready(draft.error(&error), observed),
        };
        #[cfg(feature = "tasks")]
        if wanted.has_tasks()
            && self.settings.has_tasks()
            && let Err(error) = super::tasks::require(request)
        {
            return PendingReply::ready(draft.error(&error), observed);
        }
        let place = match self.settings.listeners.take(Principal::of(head)) {
            Ok(place) => place,
            Err(full) => return PendingReply::ready(refuse(Rejection::TooManyListeners(full)), observed),
        };
        observed.listens();
        let listener = self.settings.drain.listen(place);
        let changes = self.registry.changes().subscribe();
        let stream = SubscriptionStream::new(
            wanted,
            head.clone(),
            request.id.as_json().to_owned(),
            changes,
            listener,
            draft,
            observed.take(),
            Arc::clone(self.settings),
        );
        #[cfg(feature = "tasks")]
        if stream.has_tasks() {
            return PendingReply::Later(Box::pin(async move {
                match stream.with_tasks().await {
                    Ok(stream) => Reply::Subscription(Box::new(stream)),
                    Err(reply) => reply.into(),
                }
            }));
        }
        PendingReply::Ready(Reply::Subscription(Box::new(stream)))
    }
}
