//! News that concern more than one request: what a registry says has changed, and answers
//! that find their call, on this replica and on the others.

mod bus;
mod local;
mod source;

pub(crate) use bus::News;
pub use bus::{BusSender, ChangeBus, Reach, Subscription};
pub use local::LocalBus;
pub use source::{Change, Changes};
pub(crate) use source::{ChangeStream, ReplaceableChanges};
