//! A value that is ready or arrives later.

use std::fmt;
use std::future::poll_fn;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::task::{Poll, ready};
use std::time::Duration;

use crate::deadline::Deadline;
use crate::jsonrpc::RpcError;
use crate::places::Place;

/// The answer of a [`Registry`](crate::Registry): a value that is ready, or a future. A ready answer does
/// not allocate.
#[must_use]
pub struct Answer<'a, T>(AnswerKind<'a, T>);

enum AnswerKind<'a, T> {
    Ready(Result<T, RpcError>),
    Later(Pin<Box<dyn Future<Output = Result<T, RpcError>> + Send + 'a>>),
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            AnswerKind::Ready(_) => "Answer(ready)",
            AnswerKind::Later(_) => "Answer(later)",
        })
    }
}

impl<'a, T> Answer<'a, T> {
    /// Creates an answer that is ready.
    pub fn ready(answer: Result<T, RpcError>) -> Self {
        Self(AnswerKind::Ready(answer))
    }

    /// Creates an answer that has to be awaited.
    pub fn later(answer: impl Future<Output = Result<T, RpcError>> + Send + 'a) -> Self {
        Self(AnswerKind::Later(Box::pin(answer)))
    }

    /// Returns the value, if it is ready.
    pub fn now(self) -> Option<Result<T, RpcError>> {
        self.at_once().ok()
    }

    /// Returns the value if it is ready, otherwise the future.
    pub(crate) fn at_once(self) -> Result<Result<T, RpcError>, Self> {
        match self.0 {
            AnswerKind::Ready(answer) => Ok(answer),
            AnswerKind::Later(_) => Err(self),
        }
    }

    /// Runs `ask` and returns its answer. A panic becomes an error.
    pub(crate) fn of(ask: impl FnOnce() -> Self) -> Self {
        guarded(ask).unwrap_or_else(|error| Self::ready(Err(error)))
    }

    /// Maps the value with `change`.
    pub fn map<U>(self, change: impl FnOnce(T) -> U + Send + 'a) -> Answer<'a, U>
    where
        T: 'a,
    {
        match self.0 {
            AnswerKind::Ready(answer) => Answer::ready(answer.map(change)),
            AnswerKind::Later(answer) => Answer::later(async move { answer.await.map(change) }),
        }
    }

    /// Holds a place among the calls in flight until the value is there.
    pub(crate) fn holding(self, place: Place) -> Self
    where
        T: 'a,
    {
        match self.0 {
            AnswerKind::Ready(_) => self,
            AnswerKind::Later(answer) => Self::later(async move {
                let _place = place;
                answer.await
            }),
        }
    }

    /// Waits for the value, at most for `limit`. A panic becomes an error.
    pub(crate) async fn within(self, limit: Option<Duration>) -> Result<T, RpcError> {
        let mut answer = match self.0 {
            AnswerKind::Ready(answer) => return answer,
            AnswerKind::Later(answer) => answer,
        };
        let mut deadline = limit.map(Deadline::new);
        poll_fn(|cx| {
            match guarded(|| answer.as_mut().poll(cx)) {
                Ok(Poll::Ready(answer)) => return Poll::Ready(answer),
                Ok(Poll::Pending) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            let Some(deadline) = &mut deadline else { return Poll::Pending };
            ready!(deadline.poll(cx));
            tracing::error!(limit = ?deadline.length(), "a registry exceeded its time limit");
            Poll::Ready(Err(RpcError::internal()))
        })
        .await
    }

    /// Waits for the value.
    pub async fn get(self) -> Result<T, RpcError> {
        match self.0 {
            AnswerKind::Ready(answer) => answer,
            AnswerKind::Later(answer) => answer.await,
        }
    }
}

/// Runs a registry's code, and turns a panic into an error.
pub(crate) fn guarded<T>(ask: impl FnOnce() -> T) -> Result<T, RpcError> {
    catch_unwind(AssertUnwindSafe(ask)).map_err(|_| {
        tracing::error!("a registry panicked");
        RpcError::internal()
    })
}
