//! Messages between requests and between replicas: changes that registries publish, and answers
//! for calls that wait.

mod bus;
mod local;
mod source;

pub(crate) use bus::News;
pub use bus::{BusSender, ChangeBus, Reach, Subscription};
pub use local::LocalBus;
pub use source::{Change, Changes};
pub(crate) use source::{ChangeStream, ReplaceableChanges};
