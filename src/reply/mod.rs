//! From a valid request to its response: [dispatch] to the registry, [pending] replies,
//! [streams](stream) and [subscriptions](listen), and the only place that
//! [builds a response](respond).

mod answer;
mod body;
mod bounded;
mod call;
#[cfg(feature = "tasks")]
mod call_as_task;
mod call_origin;
mod dispatch;
mod draft;
mod listen;
mod message;
mod observe;
mod pending;
#[expect(clippy::module_inception, reason = "the reply itself")]
mod reply;
mod respond;
mod stream;
mod subscribe;
#[cfg(feature = "tasks")]
mod tasks;
#[cfg(feature = "ask")]
mod unredeemed;

pub use body::Body;
pub(crate) use dispatch::{Dispatcher, take_head};
pub(crate) use pending::PendingBody;
pub(crate) use reply::Reply;
pub(crate) use respond::{respond, with_status};
#[cfg(feature = "ask")]
pub(crate) use unredeemed::UnredeemedCall;
