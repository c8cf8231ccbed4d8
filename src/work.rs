//! Requests under way: what remains to be done once nothing is borrowed from the
//! body any more.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use crate::call::Answering;
use crate::prompt::PromptOutput;
use crate::registry::Answer;
use crate::reply::{Draft, Reply};
use crate::resource::ResourceOutput;
use crate::rpc::RpcError;
use crate::tool::ToolOutput;

/// What is left of a body's requests.
pub(crate) enum Work<'r> {
    One(Request<'r>),
    /// All at once, answered by one array.
    Batch(Vec<Request<'r>>),
}

/// What is left of one request.
pub(crate) enum Request<'r> {
    Answered(Reply),
    Tool(Box<Answering<ToolOutput>>),
    Prompt(Box<Answering<PromptOutput>>),
    Resource(Box<Answering<ResourceOutput>>),
    /// For an answer that takes its time.
    Asked(Finishing<'r>),
    /// A call whose state is to be redeemed before it begins.
    #[cfg(feature = "ask")]
    Unredeemed(Box<crate::ask::UnredeemedCall>),
}

type Finishing<'r> = Pin<Box<dyn Future<Output = Reply> + Send + 'r>>;

impl Work<'_> {
    pub(crate) fn answered(reply: Reply) -> Self {
        Self::One(Request::Answered(reply))
    }

    /// Takes the call out whose state is to be redeemed before it begins, if it is one.
    #[cfg(feature = "ask")]
    pub(crate) fn take_unredeemed(&mut self) -> Option<Box<crate::ask::UnredeemedCall>> {
        if !matches!(self, Self::One(Request::Unredeemed(_))) {
            return None;
        }
        match std::mem::replace(self, Self::Batch(Vec::new())) {
            Self::One(Request::Unredeemed(unredeemed)) => Some(unredeemed),
            _ => None,
        }
    }

    pub(crate) async fn finish(self, keep_alive: Duration) -> Reply {
        match self {
            Self::One(request) => request.finish(keep_alive).await,
            Self::Batch(requests) => batch(requests, keep_alive).await,
        }
    }
}

impl<'r> Request<'r> {
    /// What `write` makes of a registry's answer: at once, if that is there.
    pub(crate) fn asked<T: Send + 'r>(
        answer: Answer<'r, T>,
        draft: Draft,
        write: impl FnOnce(Draft, &T) -> Reply + Send + 'r,
    ) -> Self {
        let limit = draft.settings.tool_time_limit;
        let write = move |answer: Result<T, RpcError>| match answer {
            Ok(answer) => write(draft, &answer),
            Err(error) => draft.error(&error),
        };
        match answer.at_once() {
            Ok(answer) => Self::Answered(write(answer)),
            Err(later) => Self::Asked(Box::pin(async move { write(later.within(limit).await) })),
        }
    }

    async fn finish(self, keep_alive: Duration) -> Reply {
        match self {
            Self::Answered(reply) => reply,
            Self::Tool(call) => call.answer(keep_alive).await,
            Self::Prompt(call) => call.answer(keep_alive).await,
            Self::Resource(call) => call.answer(keep_alive).await,
            Self::Asked(finishing) => finishing.await,
            // The manager redeems it before; batches are of an era without states.
            #[cfg(feature = "ask")]
            Self::Unredeemed(unredeemed) => unredeemed.refuse(),
        }
    }
}

async fn batch(requests: Vec<Request<'_>>, keep_alive: Duration) -> Reply {
    let count = requests.len();
    let mut under_way: Vec<Option<Finishing<'_>>> = Vec::with_capacity(count);
    let mut messages = vec![Vec::new(); count];
    for request in requests {
        under_way.push(Some(Box::pin(request.finish(keep_alive))));
    }
    let mut first = 0;
    poll_fn(|cx| {
        // They share the task's budget, so another one is asked first each time.
        let mut all = true;
        for index in (first..count).chain(0..first) {
            let (request, message) = (&mut under_way[index], &mut messages[index]);
            if let Some(finishing) = request {
                match finishing.as_mut().poll(cx) {
                    Poll::Ready(reply) => (*request, *message) = (None, reply.into_message()),
                    Poll::Pending => all = false,
                }
            }
        }
        // A batch is never empty.
        first = (first + 1) % count;
        if all { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    let mut array = vec![b'['];
    array.append(&mut messages.join(&b','));
    array.push(b']');
    Reply::Result(array.into())
}
