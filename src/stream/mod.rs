//! Replies that begin before their result is there.

mod outbox;
mod sse;

pub(crate) use outbox::{Leftovers, Outbox};
pub(crate) use sse::{Stream, event, frame_result};
