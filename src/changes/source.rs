//! Where a registry says that something has changed.

use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;

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
    topic: Topic,
    /// Set when the topic carries no changes itself: a message on it says that what this
    /// returns is another place from now on.
    current: Option<Arc<Current>>,
}

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

impl Changes {
    /// Nowhere: nothing ever changes.
    pub fn none() -> Self {
        Self::default()
    }

    /// A new place within this process.
    pub fn in_process() -> Self {
        Self::over(Arc::new(LocalBus::default()), "changes")
    }

    /// A topic of a bus: what one replica says there, the clients of all hear. Registries
    /// that differ, such as those of two tenants, need topics that differ.
    pub fn over(bus: Arc<dyn ChangeBus>, topic: impl Into<Arc<str>>) -> Self {
        let topic = Topic { bus, name: topic.into() };
        Self(vec![Source { topic, current: None }])
    }

    /// All of these places, each once.
    pub fn all(changes: impl IntoIterator<Item = Self>) -> Self {
        let mut sources: Vec<Source> = Vec::new();
        for source in changes.into_iter().flat_map(|changes| changes.0) {
            if !sources.iter().any(|other| other.topic.is_same(&source.topic)) {
                sources.push(source);
            }
        }
        Self(sources)
    }

    /// Says that something has changed.
    pub fn publish(&self, change: Change<'_>) {
        for Source { topic, current } in &self.0 {
            match current {
                None => {
                    topic.bus.publish(&topic.name, change.to_message());
                }
                Some(current) => current().publish(change),
            }
        }
    }

    /// Subscribes to all of these places, and to those that take their place later.
    pub(crate) fn subscribe(&self) -> ChangeStream {
        let mut stream = ChangeStream { changes: self.clone(), followed: Vec::new() };
        stream.follow();
        stream
    }
}

impl fmt::Debug for Changes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_set().entries(self.0.iter().map(|source| &source.topic.name)).finish()
    }
}

/// A place whose changes are those of something that can be replaced.
#[derive(Clone)]
pub(crate) struct ReplaceableChanges {
    bus: LocalBus,
    changes: Changes,
}

const REPLACED: &str = "replaced";

impl ReplaceableChanges {
    /// `current` returns the changes of what is there now.
    pub(crate) fn new(current: impl Fn() -> Changes + Send + Sync + 'static) -> Self {
        let bus = LocalBus::default();
        let topic = Topic { bus: Arc::new(bus.clone()), name: REPLACED.into() };
        Self { bus, changes: Changes(vec![Source { topic, current: Some(Arc::new(current)) }]) }
    }

    pub(crate) fn changes(&self) -> Changes {
        self.changes.clone()
    }

    /// Has every subscriber subscribe to what is there now.
    pub(crate) fn replaced(&self) {
        self.bus.publish(REPLACED, Bytes::new());
    }
}

/// What is published at some [`Changes`], as it comes.
pub(crate) struct ChangeStream {
    changes: Changes,
    followed: Vec<Followed>,
}

struct Followed {
    topic: Topic,
    subscription: Subscription,
    /// A message says that what is to be followed has changed.
    is_replaceable: bool,
}

impl ChangeStream {
    /// The next message; `None` when a bus has given up.
    pub(crate) fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<News>> {
        loop {
            let mut is_replaced = false;
            for followed in &mut self.followed {
                let Poll::Ready(news) = followed.subscription.poll_next(cx) else { continue };
                if !followed.is_replaceable || news.is_none() {
                    return Poll::Ready(news);
                }
                is_replaced = true;
            }
            if !is_replaced {
                return Poll::Pending;
            }
            if self.follow() {
                // What was published there before may concern this subscriber as well.
                return Poll::Ready(Some(News::Missed));
            }
        }
    }

    /// Subscribes to what is there now, and drops the subscriptions to what is not. Returns
    /// whether there is a subscription that was not there before.
    fn follow(&mut self) -> bool {
        let mut before = std::mem::take(&mut self.followed);
        let changes = self.changes.clone();
        self.add(&changes, &mut before)
    }

    fn add(&mut self, changes: &Changes, before: &mut Vec<Followed>) -> bool {
        let mut is_new = false;
        for Source { topic, current } in &changes.0 {
            if self.followed.iter().any(|it| it.topic.is_same(topic)) {
                continue;
            }
            let old = before.iter().position(|it| it.topic.is_same(topic));
            self.followed.push(if let Some(old) = old {
                before.swap_remove(old)
            } else {
                is_new |= current.is_none();
                let subscription = topic.bus.subscribe(&topic.name);
                Followed { topic: topic.clone(), subscription, is_replaceable: current.is_some() }
            });
            // Asked after the subscription, so that no replacement is missed in between.
            if let Some(current) = current {
                is_new |= self.add(&current(), before);
            }
        }
        is_new
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
