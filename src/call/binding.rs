//! Type-erased handlers, before and after they get their state.

use super::{Call, CallFuture, Handler, Output};

/// A handler that is ready to run.
pub(crate) type BoundHandler<T> = Box<dyn Fn(Call<'_>) -> CallFuture<T> + Send + Sync>;

/// A handler that may still need a state.
pub(crate) enum StatefulHandler<S, T> {
    Unbound(Box<dyn FnOnce(S) -> BoundHandler<T> + Send + Sync>),
    Bound(BoundHandler<T>),
}

impl<S: Send + Sync + 'static, T: Output> StatefulHandler<S, T> {
    pub(crate) fn new<M, H: Handler<M, S, T>>(handler: H) -> Self {
        Self::Unbound(Box::new(|state| Box::new(move |call| handler.start(call, &state))))
    }
}

impl<S, T> StatefulHandler<S, T> {
    /// Returns the handler with its state, unless it has one already.
    pub(crate) fn bind(self, state: S) -> BoundHandler<T> {
        match self {
            Self::Unbound(bind) => bind(state),
            Self::Bound(handler) => handler,
        }
    }
}
