//! Answers of legacy clients, which are separate requests.

use http::request::Parts;

use super::message::SingleReply;
use super::pending::PendingReply;
#[cfg(feature = "ask")]
use super::reply::Reply;
#[cfg(feature = "ask")]
use crate::ask::DeliveryOutcome;
use crate::jsonrpc::write::{ReplyId, ReplyStart};
use crate::request::{ClientAnswer, Rejection};
use crate::settings::Settings;

/// Delivers a client's answer to the call that waits for it.
pub(super) fn deliver<'r>(
    answer: ClientAnswer<'_>,
    head: &Parts,
    settings: &'r Settings,
) -> PendingReply<'r> {
    let start = ReplyStart::new(ReplyId::Request(answer.id));
    #[cfg(feature = "ask")]
    if let Some(delivery) = settings.ask.parking.read(answer, head) {
        return PendingReply::Later(Box::pin(async move {
            let rejection = match settings.ask.parking.deliver(delivery).await {
                DeliveryOutcome::Perhaps => return Reply::Accepted,
                DeliveryOutcome::Nowhere => Rejection::UnexpectedResponse,
                DeliveryOutcome::NotHere => Rejection::ResponseToAnotherReplica,
                DeliveryOutcome::Unavailable => Rejection::AnswerBusUnavailable,
            };
            SingleReply::refuse_with(rejection, start, settings).into()
        }));
    }
    #[cfg(not(feature = "ask"))]
    let _ = head;
    PendingReply::Ready(SingleReply::refuse_with(Rejection::UnexpectedResponse, start, settings).into())
}

/// Delivers an answer in a batch, which gets no reply.
pub(super) fn send(answer: ClientAnswer<'_>, head: &Parts, settings: &Settings) {
    #[cfg(feature = "ask")]
    if let Some(answer) = settings.ask.parking.read(answer, head) {
        settings.ask.parking.send(answer);
    }
    #[cfg(not(feature = "ask"))]
    let _ = (answer, head, settings);
}
