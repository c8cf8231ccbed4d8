//! Messages between requests and between replicas: changes that registries publish, and answers
//! for calls that wait.

mod bus;
mod local;
mod source;

pub use bus::{BusSender, ChangeBus, Delivering, Reach, Subscription};
pub(crate) use bus::{CONNECT_LIMIT, News};
pub use local::LocalBus;
pub use source::{Change, Changes};
pub(crate) use source::{ChangeStream, ReplaceableChanges};
