//! The lists of an upstream, kept for as long as they hold.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use http::HeaderMap;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::Instant;

use super::client::Request;
use super::error::UpstreamError;
use super::failure::Failure;
use super::message::Params;
use super::session::Lease;
use super::settings::Target;
use super::tasks::Aborting;
use crate::jsonrpc::Raw;
use crate::protocol::{CacheHint, CacheScope, Era, ErrorCode, Offer, ServerCapabilities};
use crate::registry::ItemKind;
use crate::registry::Page;
use crate::tool::MirroredParams;

/// How long a list holds when nothing says otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);
const MOST_PAGES: usize = 256;
const MAX_SIZE: usize = 32 * 1024 * 1024;

/// What the lists of an upstream are called on the wire.
impl ItemKind {
    fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that the definitions are.
    fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The capability under which the upstream declares it.
    pub(super) fn capability(self) -> &'static str {
        match self {
            Self::Templates => "resources",
            other => other.member(),
        }
    }
}

/// What an upstream offers, by the JSON of its capabilities.
pub(super) fn offered(capabilities: &Value) -> ServerCapabilities {
    let offer = |kind: ItemKind| match &capabilities[kind.capability()] {
        capability if !capability.is_object() => Offer::Nothing,
        capability if capability["listChanged"] == true => Offer::Changing,
        _ => Offer::Fixed,
    };
    ServerCapabilities {
        tools: offer(ItemKind::Tools),
        prompts: offer(ItemKind::Prompts),
        resources: offer(ItemKind::Resources),
        completions: capabilities["completions"].is_object(),
        resource_updates: capabilities["resources"]["subscribe"] == true,
    }
}

/// A list, and what is in it.
#[derive(Debug)]
pub(super) struct List {
    pub(super) page: Page,
    pub(super) names: HashSet<String>,
    /// What is to be repeated in headers, of the tools that want it.
    pub(super) mirrored: HashMap<String, MirroredParams>,
    /// `None` when it holds until the upstream says otherwise.
    until: Option<Instant>,
}

impl List {
    /// Whether the list has an item. A URI may also be one of a template, which is judged by
    /// the text before its first variable.
    pub(super) fn has(&self, kind: ItemKind, name: &str) -> bool {
        let fits = |template: &String| {
            let literal = template.split_once('{').map_or(&**template, |(literal, _)| literal);
            name.starts_with(literal)
        };
        self.names.contains(name) || (kind == ItemKind::Templates && self.names.iter().any(fits))
    }
}

fn name_of(definition: Raw<'_>, kind: ItemKind) -> Option<String> {
    definition.string_member(kind.key()).map(Cow::into_owned)
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
    fn place(&self, kind: ItemKind) -> MutexGuard<'_, Place> {
        // Nothing in here panics half-way, so what it guards is whole even if poisoned.
        self.0[kind as usize].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A list that holds.
    pub(super) fn fresh(&self, kind: ItemKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        let latest = place.latest.as_ref().filter(|_| place.state == State::Fresh)?;
        let holds = latest.until.is_none_or(|until| Instant::now() < until);
        holds.then(|| Arc::clone(latest))
    }

    /// A list, if it is known, though it may not hold any longer.
    pub(super) fn latest(&self, kind: ItemKind) -> Option<Arc<List>> {
        self.place(kind).latest.clone()
    }

    /// A list from which what is there can be told.
    pub(super) fn known(&self, kind: ItemKind) -> Option<Arc<List>> {
        let place = self.place(kind);
        place.latest.clone().filter(|_| place.state != State::Changed)
    }

    /// The upstream says that a list has changed.
    pub(super) fn changed(&self, kind: ItemKind) {
        let mut place = self.place(kind);
        place.changes += 1;
        place.state = State::Changed;
    }

    /// A new session may list other things.
    pub(super) fn expire(&self) {
        for kind in ItemKind::ALL {
            let mut place = self.place(kind);
            if place.state == State::Fresh {
                place.state = State::Expired;
            }
        }
    }

    /// Joins the refresh under way, or starts one.
    pub(super) fn refresh(&self, kind: ItemKind, start: impl FnOnce() -> (Refreshed, Aborting)) -> Refreshed {
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
    pub(super) fn late(&self, kind: ItemKind) -> Option<Arc<List>> {
        let mut place = self.place(kind);
        place.is_late = true;
        place.latest.clone()
    }

    /// Whether somebody went without a fresh list since this was asked last.
    pub(super) fn was_late(&self, kind: ItemKind) -> bool {
        std::mem::take(&mut self.place(kind).is_late)
    }

    /// Asks an upstream for a list, and keeps it.
    pub(super) async fn fetch(
        &self,
        lease: &Lease,
        target: &Target,
        kind: ItemKind,
        headers: &HeaderMap,
    ) -> Result<Arc<List>, Failure> {
        let before = self.place(kind).changes;
        let list = Arc::new(fetch(lease, target, kind, headers).await?);
        let mut place = self.place(kind);
        place.latest = Some(Arc::clone(&list));
        if place.changes == before {
            place.state = State::Fresh;
        }
        Ok(list)
    }
}

/// Asks for all pages of a list.
async fn fetch(lease: &Lease, target: &Target, kind: ItemKind, headers: &HeaderMap) -> Result<List, Failure> {
    let capability = &lease.0.about.capabilities[kind.capability()];
    let mut fetched = Fetched::default();
    if capability.is_object() {
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let params = match &cursor {
                Some(cursor) => Params::new().with("cursor", cursor),
                None => Params::new(),
            };
            let text = match lease.request(Request::new(kind.method(), params).of(headers)).await {
                // Many servers of resources have no templates.
                Err(Failure::Rpc(error)) if error.code() == ErrorCode::METHOD_NOT_FOUND => break,
                outcome => outcome?,
            };
            fetched.add(kind, &text).ok_or_else(|| unreadable(kind))?;
            let next = fetched.next.take();
            if next.is_none() || next == cursor {
                break;
            }
            cursor = next;
        }
    }
    let tells_changes = capability["listChanged"] == true;
    let hold = match (fetched.ttl, lease.0.about.era, target) {
        (Some(ttl), Era::Modern, _) => Some(ttl),
        // Its changes cannot get lost on the way.
        (_, _, target) if tells_changes && !target.is_http() => None,
        _ => Some(DEFAULT_HOLD),
    };
    let has_headers = kind == ItemKind::Tools && lease.0.about.era == Era::Modern && target.is_http();
    let cache = CacheHint { ttl: fetched.ttl.unwrap_or_default(), scope: fetched.scope.unwrap_or_default() };
    let page = Page { definitions: fetched.definitions.into(), cache, ..Page::default() };
    Ok(List {
        mirrored: if has_headers { mirrored(&page) } else { HashMap::new() },
        page,
        names: fetched.names,
        // Beyond what the clock knows is for ever.
        until: hold.and_then(|hold| Instant::now().checked_add(hold)),
    })
}

/// What the definitions of tools want to be repeated in headers. Of two of one name the first
/// counts.
fn mirrored(tools: &Page) -> HashMap<String, MirroredParams> {
    let mut mirrored = HashMap::new();
    tools.each(|definition| {
        let Some(name) = name_of(definition, ItemKind::Tools) else { return };
        let schema = definition.member("inputSchema").ok().flatten();
        let schema = schema.and_then(|schema| serde_json::from_str(schema.text()).ok());
        let params = schema.and_then(|schema| MirroredParams::from_schema(&name, &schema).ok());
        mirrored.entry(name).or_insert(params.unwrap_or_default());
    });
    mirrored.retain(|_, params| !params.is_empty());
    mirrored
}

fn unreadable(kind: ItemKind) -> Failure {
    Failure::failed(format!("its {} cannot be read, or is too large", kind.method()))
}

/// The pages so far.
#[derive(Default)]
struct Fetched {
    definitions: Vec<u8>,
    names: HashSet<String>,
    ttl: Option<Duration>,
    scope: Option<CacheScope>,
    /// The cursor of the next page.
    next: Option<String>,
}

impl Fetched {
    /// Adds a page; `None` when it cannot be read, or is too much.
    fn add(&mut self, kind: ItemKind, text: &str) -> Option<()> {
        let result = Raw::read(text)?;
        let definitions = result.member(kind.member()).ok()??.text();
        let definitions = definitions.strip_prefix('[')?.strip_suffix(']')?.trim();
        if self.definitions.len() + definitions.len() > MAX_SIZE {
            return None;
        }
        let page = Page { definitions: definitions.to_owned().into(), ..Page::default() };
        page.each(|definition| self.names.extend(name_of(definition, kind)));
        if !self.definitions.is_empty() && !definitions.is_empty() {
            self.definitions.push(b',');
        }
        self.definitions.extend_from_slice(definitions.as_bytes());

        let ttl = result.member("ttlMs").ok().flatten();
        let ttl = ttl.and_then(|ttl| ttl.text().parse().ok()).map(Duration::from_millis);
        self.ttl = match (self.ttl, ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let scope = match result.string_member("cacheScope").as_deref() {
            Some("public") => CacheScope::Public,
            _ => CacheScope::Private,
        };
        self.scope = match self.scope {
            None | Some(CacheScope::Public) => Some(scope),
            Some(CacheScope::Private) => Some(CacheScope::Private),
        };
        self.next = result.string_member("nextCursor").map(Cow::into_owned);
        Some(())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::{Fetched, ItemKind, List};
    use crate::registry::Page;

    #[test]
    fn pages_are_joined_as_they_are() {
        let mut fetched = Fetched::default();
        let first = r#"{"tools":[{"name":"a","odd":1.0}, {"name":"b"}],"nextCursor":"2","ttlMs":9}"#;
        assert_eq!(fetched.add(ItemKind::Tools, first), Some(()));
        assert_eq!(fetched.next.as_deref(), Some("2"));
        assert_eq!(fetched.add(ItemKind::Tools, r#"{"tools":[ ]}"#), Some(()));
        assert_eq!(fetched.add(ItemKind::Tools, r#"{"tools":[{"name":"c"}]}"#), Some(()));
        assert_eq!(fetched.next, None);
        let text = String::from_utf8(fetched.definitions).expect("UTF-8");
        assert_eq!(text, r#"{"name":"a","odd":1.0}, {"name":"b"},{"name":"c"}"#);
        assert_eq!(fetched.names.len(), 3);
        assert_eq!(Fetched::default().add(ItemKind::Tools, r#"{"resources":[]}"#), None);
    }

    #[test]
    fn a_uri_is_of_a_template_that_begins_alike() {
        let names = HashSet::from(["math://square/{n}".to_owned(), "a://b".to_owned()]);
        let list = List { page: Page::default(), names, mirrored: HashMap::new(), until: None };
        assert!(list.has(ItemKind::Templates, "math://square/3"));
        assert!(!list.has(ItemKind::Templates, "math://cube/3"));
        assert!(!list.has(ItemKind::Resources, "math://square/3"));
    }
}
