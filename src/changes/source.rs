//! Where a registry says that something has changed.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use http::request::Parts;

use super::{ChangeBus, LocalBus, Subscription};

/// Something that has changed in a registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Change<'a> {
    /// The list of the tools.
    Tools,
    /// The list of the prompts.
    Prompts,
    /// The list of the resources or of their templates.
    Resources,
    /// The contents of the resource of this URI.
    Resource(&'a str),
}

const RESOURCE: &[u8] = b"resource ";

impl Change<'_> {
    fn to_message(self) -> Bytes {
        match self {
            Self::Tools => Bytes::from_static(b"tools"),
            Self::Prompts => Bytes::from_static(b"prompts"),
            Self::Resources => Bytes::from_static(b"resources"),
            Self::Resource(uri) => [RESOURCE, uri.as_bytes()].concat().into(),
        }
    }
}

impl<'a> Change<'a> {
    /// `None` for what a newer replica may say.
    pub(crate) fn from_message(message: &'a [u8]) -> Option<Self> {
        Some(match message {
            b"tools" => Self::Tools,
            b"prompts" => Self::Prompts,
            b"resources" => Self::Resources,
            _ => Self::Resource(std::str::from_utf8(message.strip_prefix(RESOURCE)?).ok()?),
        })
    }
}

/// Where a registry says what has changed, and clients that listen hear it
/// (2026-07-28, Patterns, "Subscriptions"). Clones are the same place.
///
/// ```
/// use mcp_stateless::{Change, Changes};
///
/// let changes = Changes::in_process();
/// changes.publish(Change::Resource("file:///notes.md"));
/// ```
#[derive(Clone, Default)]
pub struct Changes(Vec<Source>);

#[derive(Clone)]
struct Source {
    bus: Arc<dyn ChangeBus>,
    topic: Arc<str>,
    permissions: Vec<Permission>,
}

/// Whether the caller of a request may hear of a change.
pub(super) type Permission = Arc<dyn Fn(Change<'_>, &Parts) -> bool + Send + Sync>;

impl Source {
    fn is_same(&self, other: &Self) -> bool {
        let has = |it: &Self, permission| it.permissions.iter().any(|other| Arc::ptr_eq(permission, other));
        std::ptr::addr_eq(Arc::as_ptr(&self.bus), Arc::as_ptr(&other.bus))
            && self.topic == other.topic
            && self.permissions.len() == other.permissions.len()
            && self.permissions.iter().all(|permission| has(other, permission))
    }
}

impl Changes {
    /// Nowhere: nothing ever changes.
    pub fn none() -> Self {
        Self::default()
    }

    /// A place of its own within this process.
    pub fn in_process() -> Self {
        Self::over(Arc::new(LocalBus::default()), "changes")
    }

    /// A topic of a bus: what one replica says there, the clients of all hear. Registries
    /// that differ, such as those of two tenants, need topics that differ.
    pub fn over(bus: Arc<dyn ChangeBus>, topic: impl Into<Arc<str>>) -> Self {
        Self(vec![Source { bus, topic: topic.into(), permissions: Vec::new() }])
    }

    /// All of these places, each once.
    pub fn all(changes: impl IntoIterator<Item = Self>) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        for source in changes.into_iter().flat_map(|changes| changes.0) {
            if !sources.iter().any(|other| other.is_same(&source)) {
                sources.push(source);
            }
        }
        Self(sources)
    }

    /// Tells a client of a change only if `may_hear` allows it, which is asked with the head of
    /// the request that listens, each time that there is something to tell. A right that is
    /// withdrawn ends what an open stream delivers. `may_hear` must not block.
    ///
    /// [`Filtered`](crate::Filtered) restricts the changes of its registry by this.
    #[must_use]
    pub fn only_if(mut self, may_hear: impl Fn(Change<'_>, &Parts) -> bool + Send + Sync + 'static) -> Self {
        let permission: Permission = Arc::new(may_hear);
        for source in &mut self.0 {
            source.permissions.push(Arc::clone(&permission));
        }
        self
    }

    /// Says that something has changed.
    pub fn publish(&self, change: Change<'_>) {
        for source in &self.0 {
            source.bus.publish(&source.topic, change.to_message());
        }
    }

    pub(crate) fn subscribe(&self) -> Vec<Subscription> {
        let subscribe = |source: &Source| source.bus.subscribe(&source.topic).restricted(&source.permissions);
        self.0.iter().map(subscribe).collect()
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|source| &source.topic)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::Change;

    #[test]
    fn changes_survive_the_way_over_a_bus() {
        for change in [Change::Tools, Change::Prompts, Change::Resources, Change::Resource("a b:c")] {
            assert_eq!(Change::from_message(&change.to_message()), Some(change));
        }
        assert_eq!(Change::from_message(b"planets"), None);
    }
}
