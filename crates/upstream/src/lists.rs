//! The lists of an upstream, kept for as long as they hold.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use mcp_stateless::protocol::{Era, Offer, ServerCapabilities};
use mcp_stateless::registry::Page;
use mcp_stateless::tool::MirroredParams;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::error::UpstreamError;
use super::failure::Failure;
use super::fetch::fetch;
use super::kind::ListKind;
use super::session::Lease;
use super::settings::Target;
use super::tasks::Aborting;

/// How long a list holds when nothing says otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);

/// What an upstream offers, by the JSON of its capabilities.
pub(super) fn offered(capabilities: &Value) -> ServerCapabilities {
    let offer = |kind: ListKind| match &capabilities[kind.capability()] {
        capability if !capability.is_object() => Offer::Nothing,
        capability if capability["listChanged"] == true => Offer::Changing,
        _ => Offer::Fixed,
    };
    let mut offered = ServerCapabilities::default();
    offered.tools = offer(ListKind::Tools);
    offered.prompts = offer(ListKind::Prompts);
    offered.resources = offer(ListKind::Resources);
    offered.completions = capabilities["completions"].is_object();
    offered.resource_updates = capabilities["resources"]["subscribe"] == true;
    offered
}

/// A list, and what is in it.
#[derive(Debug)]
pub(super) struct List {
    pub(super) page: Page,
    /// The names of what is listed, with their places in the list.
    names: HashMap<String, usize>,
    /// The names of tools that are not offered.
    left_out: HashSet<String>,
    /// What is to be repeated in headers, of the tools that want it.
    pub(super) mirrored: HashMap<String, MirroredParams>,
    /// Whether the upstream says that it is the same for all callers.
    pub(super) is_public: bool,
    /// `None` when it holds until the upstream says otherwise.
    until: Option<Instant>,
}

impl List {
    /// Asks an upstream for a list.
    async fn fetch(
        lease: &Lease,
        target: &Target,
        kind: ListKind,
        headers: &HeaderMap,
    ) -> Result<Self, Failure> {
        let mut fetched = fetch(lease, kind, headers).await?;
        let (about, is_http) = (&lease.0.about, target.is_http());
        let tells_changes = about.capabilities[kind.capability()]["listChanged"] == true;
        let hold = match (fetched.ttl, about.era) {
            (Some(ttl), Era::Modern) => Some(ttl),
            // Its changes cannot get lost on the way.
            _ if tells_changes && !is_http => None,
            _ => Some(DEFAULT_HOLD),
        };
        let has_headers = kind == ListKind::Tools && about.era == Era::Modern && is_http;
        Ok(Self {
            page: fetched.page()?,
            names: fetched.names(kind),
            left_out: std::mem::take(&mut fetched.left_out),
            is_public: fetched.is_public(),
            mirrored: if has_headers { fetched.mirrored() } else { HashMap::new() },
            // Beyond what the clock knows is for ever.
            until: hold.and_then(|hold| Instant::now().checked_add(hold)),
        })
    }

    /// The names of what is listed, in the order of the list.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(_, place)| **place);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether this is the name of a tool that the upstream has, but that is not offered.
    pub(super) fn leaves_out(&self, tool: &str) -> bool {
        self.left_out.contains(tool)
    }

    /// Whether the list has an item. A URI may also be one of a template, which is judged by
    /// the text before its first variable.
    pub(super) fn has(&self, kind: ListKind, name: &str) -> bool {
        let fits = |template: &String| {
            let literal = template.split_once('{').map_or(&**template, |(literal, _)| literal);
            name.starts_with(literal)
        };
        self.names.contains_key(name) || (kind == ListKind::Templates && self.names.keys().any(fits))
    }
}

/// How far a refresh has come: `None` until its first attempt has ended.
pub(super) type Refreshed = watch::Receiver<Option<Result<Arc<List>, UpstreamError>>>;

/// The lists that one caller was told, which outlive its sessions.
#[derive(Default)]
pub(super) struct Lists([Mutex<Place>; 4]);

#[derive(Default)]
struct Place {
    latest: Option<Arc<List>>,
    /// How far `latest` may be relied upon.
    state: State,
    /// How often it was said to have changed.
    changes: u64,
    /// Somebody was told of an older list, or of none.
    is_late: bool,
    refresh: Option<(Refreshed, Aborting)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// The session told it, and it holds for its time.
    Fresh,
    /// An earlier session told it.
    #[default]
    Expired,
    /// The upstream said that it has changed.
    Changed,
}

impl Lists {
    fn place(&self, kind: ListKind) -> MutexGuard<'_, Place> {
        // Nothing in here panics half-way, so what it guards is whole even if poisoned.
        self.0[kind as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list that holds.
    pub(super) fn fresh(&self, kind: ListKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        let latest = place.latest.as_ref().filter(|_| place.state == State::Fresh)?;
        let holds = latest.until.is_none_or(|until| Instant::now() < until);
        holds.then(|| Arc::clone(latest))
    }

    /// A list, if it is known, though it may not hold any longer.
    pub(super) fn latest(&self, kind: ListKind) -> Option<Arc<List>> {
        self.place(kind).latest.clone()
    }

    /// A list from which what is there can be told.
    pub(super) fn known(&self, kind: ListKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        place.latest.clone().filter(|_| place.state != State::Changed)
    }

    /// Whether the list that was told last has an item, and is not said to have changed.
    pub(super) fn knows(&self, kind: ListKind, name: &str) -> bool {
        self.known(kind).is_some_and(|list| list.has(kind, name))
    }

    /// The upstream says that a list has changed.
    pub(super) fn changed(&self, kind: ListKind) {
        let mut place = self.place(kind);
        place.changes += 1;
        place.state = State::Changed;
    }

    /// A new session may list other things.
    pub(super) fn expire(&self) {
        for kind in ListKind::ALL {
            let mut place = self.place(kind);
            if place.state == State::Fresh {
                place.state = State::Expired;
            }
        }
    }

    /// Joins the refresh under way, or starts one.
    pub(super) fn refresh(&self, kind: ListKind, start: impl FnOnce() -> (Refreshed, Aborting)) -> Refreshed {
        let mut place = self.place(kind);
        if let Some((refreshed, _)) = &place.refresh
            && refreshed.borrow().is_none()
            && refreshed.has_changed().is_ok()
        {
            return refreshed.clone();
        }
        let (refreshed, task) = start();
        place.refresh = Some((refreshed.clone(), task));
        refreshed
    }

    /// Somebody goes without the fresh list; gives what was known before.
    pub(super) fn late(&self, kind: ListKind) -> Option<Arc<List>> {
        let mut place = self.place(kind);
        place.is_late = true;
        place.latest.clone()
    }

    /// Whether somebody went without a fresh list since this was asked last.
    pub(super) fn was_late(&self, kind: ListKind) -> bool {
        std::mem::take(&mut self.place(kind).is_late)
    }

    /// Asks an upstream for a list, and keeps it.
    pub(super) async fn fetch(
        &self,
        lease: &Lease,
        target: &Target,
        kind: ListKind,
        headers: &HeaderMap,
    ) -> Result<Arc<List>, Failure> {
        let before = self.place(kind).changes;
        let list = Arc::new(List::fetch(lease, target, kind, headers).await?);
        let mut place = self.place(kind);
        place.latest = Some(Arc::clone(&list));
        if place.changes == before {
            place.state = State::Fresh;
        }
        Ok(list)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use mcp_stateless::registry::Page;

    use super::{List, ListKind};

    #[test]
    fn a_uri_is_of_a_template_that_begins_alike() {
        let names = [("math://square/{n}".to_owned(), 0), ("a://b".to_owned(), 1)].into();
        let list = List {
            page: Page::default(),
            names,
            left_out: HashSet::new(),
            mirrored: HashMap::new(),
            is_public: false,
            until: None,
        };
        assert!(list.has(ListKind::Templates, "math://square/3"));
        assert!(!list.has(ListKind::Templates, "math://cube/3"));
        assert!(!list.has(ListKind::Resources, "math://square/3"));
    }
}
