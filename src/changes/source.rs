//! Changes that registries publish.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;

use super::{ChangeBus, LocalBus, News, Subscription};

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
    /// Returns `None` for a message of a newer replica that this version does not know.
    pub(crate) fn from_message(message: &'a [u8]) -> Option<Self> {
        Some(match message {
            b"tools" => Self::Tools,
            b"prompts" => Self::Prompts,
            b"resources" => Self::Resources,
            _ => Self::Resource(std::str::from_utf8(message.strip_prefix(RESOURCE)?).ok()?),
        })
    }
}

/// A channel on which a registry publishes changes, and which notifies listening clients
/// (2026-07-28, Patterns, "Subscriptions"). Clones share the channel.
///
/// ```
/// use mcp_stateless::changes::{Change, Changes};
///
/// let changes = Changes::in_process();
/// changes.publish(Change::Resource("file:///notes.md"));
/// ```
#[derive(Clone, Default)]
pub struct Changes(Vec<Source>);

#[derive(Clone)]
struct Source {
    topic: Topic,
    permissions: Vec<Permission>,
    /// Set if the topic carries no changes itself: a message on it says that this now returns
    /// another channel.
    current: Option<Arc<Current>>,
}

/// Returns whether the caller of a request may be notified of a change.
pub(super) type Permission = Arc<dyn Fn(Change<'_>, &Parts) -> bool + Send + Sync>;

type Current = dyn Fn() -> Changes + Send + Sync;

/// A topic of a bus.
#[derive(Clone)]
struct Topic {
    bus: Arc<dyn ChangeBus>,
    name: Arc<str>,
}

impl Topic {
    fn is_same(&self, other: &Self) -> bool {
        std::ptr::addr_eq(Arc::as_ptr(&self.bus), Arc::as_ptr(&other.bus)) && self.name == other.name
    }
}

impl Source {
    fn is_same(&self, topic: &Topic, permissions: &[Permission]) -> bool {
        self.topic.is_same(topic) && are_same(&self.permissions, permissions)
    }
}

fn are_same(some: &[Permission], others: &[Permission]) -> bool {
    let has = |permission| others.iter().any(|other| Arc::ptr_eq(permission, other));
    some.len() == others.len() && some.iter().all(has)
}

impl Changes {
    /// Creates a handle that discards every change.
    pub fn none() -> Self {
        Self::default()
    }

    /// Creates a channel within this process.
    pub fn in_process() -> Self {
        Self::over(Arc::new(LocalBus::default()), "changes")
    }

    /// Creates a channel over a topic of a bus: clients of all replicas receive what one of them
    /// publishes. Different registries, such as those of two tenants, need different topics.
    pub fn over(bus: Arc<dyn ChangeBus>, topic: impl Into<Arc<str>>) -> Self {
        let topic = Topic { bus, name: topic.into() };
        Self(vec![Source { topic, permissions: Vec::new(), current: None }])
    }

    /// Joins channels; duplicates count once.
    pub fn all(changes: impl IntoIterator<Item = Self>) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        for source in changes.into_iter().flat_map(|changes| changes.0) {
            if !sources.iter().any(|other| other.is_same(&source.topic, &source.permissions)) {
                sources.push(source);
            }
        }
        Self(sources)
    }

    /// Delivers a change to a client only if `may_hear` returns `true` for it and for the head of
    /// the request that listens. It is called for every change, so an open stream stops delivering
    /// when a right is withdrawn. It must not block.
    ///
    /// [`Filtered`](crate::registry::Filtered) restricts the changes of its registry this way.
    #[must_use]
    pub fn only_if(mut self, may_hear: impl Fn(Change<'_>, &Parts) -> bool + Send + Sync + 'static) -> Self {
        let permission: Permission = Arc::new(may_hear);
        for source in &mut self.0 {
            source.permissions.push(Arc::clone(&permission));
        }
        self
    }

    /// Publishes a change.
    pub fn publish(&self, change: Change<'_>) {
        for Source { topic, current, .. } in &self.0 {
            match current {
                None => {
                    topic.bus.publish(&topic.name, change.to_message());
                }
                Some(current) => current().publish(change),
            }
        }
    }

    /// Subscribes to all channels, and to those that replace them later.
    pub(crate) fn subscribe(&self) -> ChangeStream {
        let mut stream = ChangeStream { changes: self.clone(), followed: Vec::new(), is_replaced: false };
        stream.follow(false);
        stream
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|source| &source.topic.name)).finish()
    }
}

/// A source of changes for something that can be replaced.
#[derive(Clone)]
pub(crate) struct ReplaceableChanges {
    bus: LocalBus,
    changes: Changes,
}

const REPLACED: &str = "replaced";

impl ReplaceableChanges {
    /// `current` returns the channel of the current value.
    pub(crate) fn new(current: impl Fn() -> Changes + Send + Sync + 'static) -> Self {
        let bus = LocalBus::default();
        let topic = Topic { bus: Arc::new(bus.clone()), name: REPLACED.into() };
        Self {
            bus,
            changes: Changes(vec![Source {
                topic,
                permissions: Vec::new(),
                current: Some(Arc::new(current)),
            }]),
        }
    }

    pub(crate) fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Makes every subscriber subscribe to the current channel.
    pub(crate) fn replaced(&self) {
        self.bus.publish(REPLACED, Bytes::new());
    }
}

/// The messages published on a [`Changes`].
pub(crate) struct ChangeStream {
    changes: Changes,
    followed: Vec<Followed>,
    /// Whether to subscribe again; kept while changes are being delivered.
    is_replaced: bool,
}

struct Followed {
    topic: Topic,
    permissions: Vec<Permission>,
    subscription: Subscription,
    /// A message says that the channel was replaced.
    is_replaceable: bool,
}

impl ChangeStream {
    /// Waits until every subscription is connected.
    pub(crate) fn poll_connected(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let mut all = Poll::Ready(());
        for followed in &mut self.followed {
            if followed.subscription.poll_connected(cx).is_pending() {
                all = Poll::Pending;
            }
        }
        all
    }

    /// Returns the next message and its source; `None` when a bus has closed.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<(usize, News)>> {
        loop {
            if std::mem::take(&mut self.is_replaced) {
                self.follow(true);
            }
            for (from, followed) in self.followed.iter_mut().enumerate() {
                let Poll::Ready(news) = followed.subscription.poll_next(cx) else { continue };
                if !followed.is_replaceable || news.is_none() {
                    return Poll::Ready(news.map(|news| (from, news)));
                }
                self.is_replaced = true;
            }
            if !self.is_replaced {
                return Poll::Pending;
            }
        }
    }

    /// Whether a caller may receive the latest change now.
    pub(crate) fn may_hear(&self, from: usize, change: Change<'_>, head: &Parts) -> bool {
        self.followed.get(from).is_some_and(|followed| followed.subscription.may_hear(change, head))
    }

    /// Subscribes to the current channels, and drops the subscriptions to others. A channel that is
    /// subscribed to late may have missed changes.
    fn follow(&mut self, is_late: bool) {
        let mut before = std::mem::take(&mut self.followed);
        let changes = self.changes.clone();
        self.add(&changes, &[], &mut before, is_late);
    }

    fn add(&mut self, changes: &Changes, outer: &[Permission], before: &mut Vec<Followed>, is_late: bool) {
        for Source { topic, permissions, current } in &changes.0 {
            let permissions = [outer, permissions].concat();
            let is_same = |it: &Followed| it.topic.is_same(topic) && are_same(&it.permissions, &permissions);
            if self.followed.iter().any(is_same) {
                continue;
            }
            let followed = if let Some(old) = before.iter().position(is_same) {
                before.swap_remove(old)
            } else {
                let subscription = topic.bus.subscribe(&topic.name).restricted(&permissions);
                if is_late && current.is_none() {
                    subscription.miss();
                }
                let is_replaceable = current.is_some();
                Followed {
                    topic: topic.clone(),
                    permissions: permissions.clone(),
                    subscription,
                    is_replaceable,
                }
            };
            self.followed.push(followed);
            // Read after subscribing, so that no replacement is missed in between.
            if let Some(current) = current {
                self.add(&current(), &permissions, before, is_late);
            }
        }
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
