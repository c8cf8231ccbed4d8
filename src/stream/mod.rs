//! Replies that begin before their result is there.

mod listen;
mod outbox;
mod places;
mod sse;

pub(crate) use listen::{Listening, Wanted};
pub(crate) use outbox::{Leftovers, Outbox};
pub(crate) use places::{Full, Place, Places};
pub(crate) use sse::{Stream, event, frame_result};
