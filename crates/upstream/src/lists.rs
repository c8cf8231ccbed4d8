//! The lists of an upstream, cached while they are fresh.

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

/// How long a list is fresh if the upstream does not say.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);

/// The capabilities of an upstream, from their JSON.
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

/// A list and its names.
#[derive(Debug)]
pub(super) struct List {
    pub(super) page: Page,
    /// The names in the list, with their positions.
    names: HashMap<String, usize>,
    /// The names of tools that are not offered.
    left_out: HashSet<String>,
    /// The arguments that are repeated in headers, by tool.
    pub(super) mirrored: HashMap<String, MirroredParams>,
    /// Whether the upstream says that it is the same for all callers.
    pub(super) is_public: bool,
    /// `None` if it is fresh until the upstream says otherwise.
    until: Option<Instant>,
}

impl List {
    /// Fetches a list from an upstream.
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
            // Its change notifications cannot get lost.
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
            // A time beyond the clock's range means forever.
            until: hold.and_then(|hold| Instant::now().checked_add(hold)),
        })
    }

    /// Returns the names in the order of the list.
    pub(super) fn names(&self) -> Vec<String> {
        let mut names: Vec<_> = self.names.iter().collect();
        names.sort_unstable_by_key(|(_, place)| **place);
        names.into_iter().map(|(name, _)| name.clone()).collect()
    }

    /// Whether the upstream has this tool, but it is not offered.
    pub(super) fn leaves_out(&self, tool: &str) -> bool {
        self.left_out.contains(tool)
    }

    /// Whether the list has an item. A URI also matches a template by the text before its first
    /// variable.
    pub(super) fn has(&self, kind: ListKind, name: &str) -> bool {
        let fits = |template: &String| {
            let literal = template.split_once('{').map_or(&**template, |(literal, _)| literal);
            name.starts_with(literal)
        };
        self.names.contains_key(name) || (kind == ListKind::Templates && self.names.keys().any(fits))
    }
}

/// The progress of a refresh: `None` until its first attempt has ended.
pub(super) type Refreshed = watch::Receiver<Option<Result<Arc<List>, UpstreamError>>>;

/// The lists that one caller has received, which outlive its sessions.
#[derive(Default)]
pub(super) struct Lists([Mutex<Place>; 4]);

#[derive(Default)]
struct Place {
    latest: Option<Arc<List>>,
    /// How reliable `latest` is.
    state: State,
    /// How often the upstream said that it had changed.
    changes: u64,
    /// A caller received an older list, or none.
    is_late: bool,
    refresh: Option<(Refreshed, Aborting)>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum State {
    /// It came from the current session, and is fresh for its time.
    Fresh,
    /// It came from an earlier session.
    #[default]
    Expired,
    /// The upstream said that it has changed.
    Changed,
}

impl Lists {
    fn place(&self, kind: ListKind) -> MutexGuard<'_, Place> {
        // No code panics while it holds the lock, so the data is consistent even if it is poisoned.
        self.0[kind as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns a fresh list.
    pub(super) fn fresh(&self, kind: ListKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        let latest = place.latest.as_ref().filter(|_| place.state == State::Fresh)?;
        let holds = latest.until.is_none_or(|until| Instant::now() < until);
        holds.then(|| Arc::clone(latest))
    }

    /// Returns a list if it is known, even if it is stale.
    pub(super) fn latest(&self, kind: ListKind) -> Option<Arc<List>> {
        self.place(kind).latest.clone()
    }

    /// Returns a list that is reliable enough to find items.
    pub(super) fn known(&self, kind: ListKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        place.latest.clone().filter(|_| place.state != State::Changed)
    }

    /// Whether the latest list has an item, and was not said to have changed.
    pub(super) fn knows(&self, kind: ListKind, name: &str) -> bool {
        self.known(kind).is_some_and(|list| list.has(kind, name))
    }

    /// Records that the upstream said a list has changed.
    pub(super) fn changed(&self, kind: ListKind) {
        let mut place = self.place(kind);
        place.changes += 1;
        place.state = State::Changed;
    }

    /// Records that a new session may have other lists.
    pub(super) fn expire(&self) {
        for kind in ListKind::ALL {
            let mut place = self.place(kind);
            if place.state == State::Fresh {
                place.state = State::Expired;
            }
        }
    }

    /// Joins the running refresh, or starts one.
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

    /// Records that a caller does without the fresh list, and returns what was known before.
    pub(super) fn late(&self, kind: ListKind) -> Option<Arc<List>> {
        let mut place = self.place(kind);
        place.is_late = true;
        place.latest.clone()
    }

    /// Whether a caller did without a fresh list since the last call of this function.
    pub(super) fn was_late(&self, kind: ListKind) -> bool {
        std::mem::take(&mut self.place(kind).is_late)
    }

    /// Fetches a list from an upstream, and caches it.
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
