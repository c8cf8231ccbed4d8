//! The lists of an upstream, kept for as long as they hold.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::HeaderMap;
use serde_json::{Map, Value};

use super::pending::{Failure, Lease};
use super::target::Target;
use crate::protocol::{CacheHint, CacheScope, Era, Offer, ServerCapabilities};
use crate::registry::{Kind, Page};
use crate::rpc::Raw;
use crate::tool::MirroredParams;

/// How long a list holds when nothing says otherwise.
const DEFAULT_HOLD: Duration = Duration::from_secs(60);
const MOST_PAGES: usize = 256;
const MAX_SIZE: usize = 32 * 1024 * 1024;

/// What the lists of an upstream are called on the wire.
impl Kind {
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
    let offer = |kind: Kind| match &capabilities[kind.capability()] {
        capability if !capability.is_object() => Offer::Nothing,
        capability if capability["listChanged"] == true => Offer::Changing,
        _ => Offer::Fixed,
    };
    ServerCapabilities {
        tools: offer(Kind::Tools),
        prompts: offer(Kind::Prompts),
        resources: offer(Kind::Resources),
        completions: capabilities["completions"].is_object(),
        resource_updates: false,
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
    pub(super) fn has(&self, kind: Kind, name: &str) -> bool {
        let fits = |template: &String| {
            let literal = template.split_once('{').map_or(&**template, |(literal, _)| literal);
            name.starts_with(literal)
        };
        self.names.contains(name) || (kind == Kind::Templates && self.names.iter().any(fits))
    }
}

fn name_of(definition: Raw<'_>, kind: Kind) -> Option<String> {
    definition.string_member(kind.key()).map(Cow::into_owned)
}

/// The lists that one session was told.
#[derive(Default)]
pub(super) struct Lists([Place; 4]);

#[derive(Default)]
struct Place {
    kept: Mutex<Option<Arc<List>>>,
    /// Held by whoever fetches it, so that nobody else does.
    fetching: tokio::sync::Mutex<()>,
    /// How often it was said to have changed.
    changes: AtomicU64,
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<Arc<List>>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn kept(&self) -> Option<Arc<List>> {
        let kept = self.lock().clone()?;
        let holds = kept.until.is_none_or(|until| Instant::now() < until);
        holds.then_some(kept)
    }
}

impl Lists {
    /// A list, if it is known, though it may hold no more.
    pub(super) fn latest(&self, kind: Kind) -> Option<Arc<List>> {
        self.0[kind as usize].lock().clone()
    }

    /// Forgets a list.
    pub(super) fn drop(&self, kind: Kind) {
        let place = &self.0[kind as usize];
        place.changes.fetch_add(1, Ordering::AcqRel);
        *place.lock() = None;
    }

    /// A list, asked for if need be.
    pub(super) async fn list(
        lease: &Lease,
        target: &Target,
        kind: Kind,
        headers: &HeaderMap,
    ) -> Result<Arc<List>, Failure> {
        let place = &lease.0.lists.0[kind as usize];
        if let Some(list) = place.kept() {
            return Ok(list);
        }
        let _fetching = place.fetching.lock().await;
        if let Some(list) = place.kept() {
            return Ok(list);
        }
        let before = place.changes.load(Ordering::Acquire);
        let list = Arc::new(fetch(lease, target, kind, headers).await?);
        let mut kept = place.lock();
        if place.changes.load(Ordering::Acquire) == before {
            *kept = Some(Arc::clone(&list));
        }
        Ok(list)
    }
}

/// Asks for all pages of a list.
async fn fetch(lease: &Lease, target: &Target, kind: Kind, headers: &HeaderMap) -> Result<List, Failure> {
    let capability = &lease.0.about.capabilities[kind.capability()];
    let mut fetched = Fetched::default();
    if capability.is_object() {
        let mut cursor: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let mut params = Map::new();
            if let Some(cursor) = &cursor {
                params.insert("cursor".to_owned(), cursor.as_str().into());
            }
            let text = lease.request(kind.method(), params, headers).await?;
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
        (_, _, Target::Stdio(_)) if tells_changes => None,
        _ => Some(DEFAULT_HOLD),
    };
    let has_headers =
        kind == Kind::Tools && lease.0.about.era == Era::Modern && matches!(target, Target::Http { .. });
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
        let Some(name) = name_of(definition, Kind::Tools) else { return };
        let schema = definition.member("inputSchema").ok().flatten();
        let schema = schema.and_then(|schema| serde_json::from_str(schema.text()).ok());
        let params = schema.and_then(|schema| MirroredParams::from_schema(&name, &schema).ok());
        mirrored.entry(name).or_insert(params.unwrap_or_default());
    });
    mirrored.retain(|_, params| !params.is_empty());
    mirrored
}

fn unreadable(kind: Kind) -> Failure {
    Failure::Failed(format!("its {} cannot be read, or is too large", kind.method()))
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
    fn add(&mut self, kind: Kind, text: &str) -> Option<()> {
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

    use super::{Fetched, Kind, List};
    use crate::registry::Page;

    #[test]
    fn pages_are_joined_as_they_are() {
        let mut fetched = Fetched::default();
        let first = r#"{"tools":[{"name":"a","odd":1.0}, {"name":"b"}],"nextCursor":"2","ttlMs":9}"#;
        assert_eq!(fetched.add(Kind::Tools, first), Some(()));
        assert_eq!(fetched.next.as_deref(), Some("2"));
        assert_eq!(fetched.add(Kind::Tools, r#"{"tools":[ ]}"#), Some(()));
        assert_eq!(fetched.add(Kind::Tools, r#"{"tools":[{"name":"c"}]}"#), Some(()));
        assert_eq!(fetched.next, None);
        let text = String::from_utf8(fetched.definitions).expect("UTF-8");
        assert_eq!(text, r#"{"name":"a","odd":1.0}, {"name":"b"},{"name":"c"}"#);
        assert_eq!(fetched.names.len(), 3);
        assert_eq!(Fetched::default().add(Kind::Tools, r#"{"resources":[]}"#), None);
    }

    #[test]
    fn a_uri_is_of_a_template_that_begins_alike() {
        let names = HashSet::from(["math://square/{n}".to_owned(), "a://b".to_owned()]);
        let list = List { page: Page::default(), names, mirrored: HashMap::new(), until: None };
        assert!(list.has(Kind::Templates, "math://square/3"));
        assert!(!list.has(Kind::Templates, "math://cube/3"));
        assert!(!list.has(Kind::Resources, "math://square/3"));
    }
}
