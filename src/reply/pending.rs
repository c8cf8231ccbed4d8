//! Pending replies to the requests of one body. They borrow nothing from the body.

use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;

use super::call::PendingCall;
use super::draft::Draft;
use super::message::SingleReply;
use super::reply::Reply;
use crate::jsonrpc::RpcError;
use crate::observe::ObservedRef;
use crate::prompt::PromptOutput;
use crate::registry::Answer;
use crate::resource::ResourceOutput;
use crate::settings::Settings;
use crate::tool::ToolOutput;

/// The pending reply to a body: to its one request, or to all requests of a batch.
pub(crate) enum PendingBody<'r> {
    One(PendingReply<'r>),
    /// Answered by one JSON array.
    Batch(Vec<PendingReply<'r>>),
}

/// The pending reply to one request.
pub(crate) enum PendingReply<'r> {
    Ready(Reply),
    Tool(Box<PendingCall<ToolOutput>>),
    Prompt(Box<PendingCall<PromptOutput>>),
    Resource(Box<PendingCall<ResourceOutput>>),
    /// The registry's answer is not ready yet.
    Later(Finishing<'r>),
    /// A call whose state must be redeemed before it starts.
    #[cfg(feature = "ask")]
    Unredeemed(Box<super::unredeemed::UnredeemedCall>),
}

type Finishing<'r> = Pin<Box<dyn Future<Output = Reply> + Send + 'r>>;

impl PendingBody<'_> {
    pub(crate) fn ready(reply: Reply) -> Self {
        Self::One(PendingReply::Ready(reply))
    }

    /// Takes out the call whose state must be redeemed before it starts, if there is one.
    #[cfg(feature = "ask")]
    pub(crate) fn take_unredeemed(&mut self) -> Option<Box<super::unredeemed::UnredeemedCall>> {
        if !matches!(self, Self::One(PendingReply::Unredeemed(_))) {
            return None;
        }
        match std::mem::replace(self, Self::Batch(Vec::new())) {
            Self::One(PendingReply::Unredeemed(unredeemed)) => Some(unredeemed),
            _ => None,
        }
    }

    /// Returns the reply if it is ready.
    pub(crate) fn into_ready(self) -> Result<Reply, Self> {
        match self {
            Self::One(PendingReply::Ready(reply)) => Ok(reply),
            pending => Err(pending),
        }
    }

    pub(crate) async fn finish(self, settings: &Arc<Settings>) -> Reply {
        match self {
            Self::One(request) => request.finish(settings).await,
            // Boxed, because a batch is rare, and would take room in the future of every request.
            Self::Batch(requests) => Box::pin(batch(requests, settings)).await,
        }
    }
}

impl<'r> PendingReply<'r> {
    /// Creates a reply that is ready, and ends the request.
    #[inline]
    pub(crate) fn ready(reply: SingleReply, mut observed: ObservedRef<'_, '_>) -> Self {
        observed.note_with(|| reply.end());
        Self::Ready(reply.into())
    }

    /// Waits for a reply in the span of its request.
    pub(super) fn later(
        reply: impl Future<Output = SingleReply> + Send + 'r,
        observed: ObservedRef<'_, '_>,
    ) -> Self {
        let mut observed = observed.take();
        Self::Later(Box::pin(async move {
            let mut reply = pin!(reply);
            let reply = poll_fn(|cx| observed.in_span(|| reply.as_mut().poll(cx))).await;
            observed.note(reply.end());
            reply.into()
        }))
    }

    /// Writes a registry's answer with `write`: at once if the answer is ready, else later.
    pub(crate) fn of_answer<T: Send + 'r>(
        answer: Answer<'r, T>,
        draft: Draft,
        observed: ObservedRef<'_, '_>,
        settings: &'r Settings,
        write: impl FnOnce(Draft, &T, &Settings) -> SingleReply + Send + 'r,
    ) -> Self {
        let limit = settings.tool_time_limit;
        let write = move |draft: Draft, answer: Result<T, RpcError>| match answer {
            Ok(answer) => write(draft, &answer, settings),
            Err(error) => draft.error(&error),
        };
        match answer.at_once() {
            Ok(answer) => Self::ready(write(draft, answer), observed),
            Err(later) => Self::later(async move { write(draft, later.within(limit).await) }, observed),
        }
    }

    async fn finish(self, settings: &Arc<Settings>) -> Reply {
        match self {
            Self::Ready(reply) => reply,
            Self::Tool(call) => call.answer(settings).await,
            Self::Prompt(call) => call.answer(settings).await,
            Self::Resource(call) => call.answer(settings).await,
            Self::Later(finishing) => finishing.await,
            // Unreachable: the manager redeems the state first, and batches belong to revisions
            // without state.
            #[cfg(feature = "ask")]
            Self::Unredeemed(unredeemed) => unredeemed.refuse().into(),
        }
    }
}

async fn batch(requests: Vec<PendingReply<'_>>, settings: &Arc<Settings>) -> Reply {
    let count = requests.len();
    let mut under_way: Vec<Option<Finishing<'_>>> = Vec::with_capacity(count);
    let mut messages = vec![Vec::new(); count];
    for request in requests {
        under_way.push(Some(Box::pin(request.finish(settings))));
    }
    let mut first = 0;
    poll_fn(|cx| {
        // All members share the task's coop budget, so each poll starts with another one.
        let mut all = true;
        for index in (first..count).chain(0..first) {
            let (request, message) = (&mut under_way[index], &mut messages[index]);
            if let Some(finishing) = request {
                match finishing.as_mut().poll(cx) {
                    Poll::Ready(reply) => (*request, *message) = (None, reply.into_vec()),
                    Poll::Pending => all = false,
                }
            }
        }
        // `count` is not zero: an empty batch is rejected.
        first = (first + 1) % count;
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut array = vec![b'['];
    array.append(&mut messages.join(&b','));
    array.push(b']');
    SingleReply::Result(array.into()).into()
}
