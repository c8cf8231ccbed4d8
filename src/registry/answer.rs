//! An answer that may take time.

use std::fmt;
use std::pin::Pin;

use crate::rpc::RpcError;

/// What a [`Registry`](crate::Registry) answers: at once, or later. An answer that
/// is ready costs no allocation.
#[must_use]
pub struct Answer<'a, T>(Kind<'a, T>);

enum Kind<'a, T> {
    Ready(Result<T, RpcError>),
    Later(Pin<Box<dyn Future<Output = Result<T, RpcError>> + Send + 'a>>),
}

impl<T> fmt::Debug for Answer<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self.0 {
            Kind::Ready(_) => "Answer(ready)",
            Kind::Later(_) => "Answer(later)",
        })
    }
}

impl<'a, T> Answer<'a, T> {
    /// An answer that is there already.
    pub fn ready(answer: Result<T, RpcError>) -> Self {
        Self(Kind::Ready(answer))
    }

    /// An answer that has to be waited for.
    pub fn later(answer: impl Future<Output = Result<T, RpcError>> + Send + 'a) -> Self {
        Self(Kind::Later(Box::pin(answer)))
    }

    /// Waits for the answer.
    pub async fn get(self) -> Result<T, RpcError> {
        match self.0 {
            Kind::Ready(answer) => answer,
            Kind::Later(answer) => answer.await,
        }
    }
}
