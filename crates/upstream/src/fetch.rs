//! Fetches all pages of a list.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use http::HeaderMap;
use mcp_stateless::protocol::{CacheHint, CacheScope, ErrorCode};
use mcp_stateless::registry::Page;
use mcp_stateless::tool::MirroredParams;
use serde::Deserialize;
use serde_json::Value;
use serde_json::value::RawValue;

use super::client::Request;
use super::failure::Failure;
use super::kind::ListKind;
use super::message::{Params, members};
use super::meta;
use super::session::Lease;

const MOST_PAGES: usize = 256;
const MAX_SIZE: usize = 32 * 1024 * 1024;
/// The longest cursor that is returned to the upstream.
const MAX_CURSOR: usize = 64 * 1024;

/// All pages of a list.
#[derive(Debug, Default)]
pub(super) struct FetchedList {
    definitions: Vec<Box<RawValue>>,
    /// The names of tools that can only be called as tasks, which are not offered.
    pub(super) left_out: HashSet<String>,
    size: usize,
    /// How long the list is fresh according to the upstream: the shortest time of its pages.
    pub(super) ttl: Option<Duration>,
    scope: Option<CacheScope>,
    next_cursor: Option<String>,
    /// The missing parts of the list, and the reasons.
    missing: Vec<(String, String)>,
}

/// Fetches all pages of a list; none if the upstream does not declare the list.
pub(super) async fn fetch(
    lease: &Lease,
    kind: ListKind,
    headers: &HeaderMap,
) -> Result<FetchedList, Failure> {
    let mut fetched = FetchedList::default();
    if !lease.0.about.capabilities[kind.capability()].is_object() {
        return Ok(fetched);
    }
    let name = &lease.0.client.connection.upstream;
    let mut cursor: Option<String> = None;
    for _ in 0..MOST_PAGES {
        let params = match &cursor {
            Some(cursor) => Params::new().with("cursor", cursor),
            None => Params::new(),
        };
        let text = match lease.request(Request::new(kind.method(), params).of(headers)).await {
            // Many servers with resources have no templates.
            Err(Failure::Rpc(error)) if error.code() == ErrorCode::METHOD_NOT_FOUND => return Ok(fetched),
            outcome => outcome?,
        };
        fetched.add(kind, &text).map_err(|fault| {
            Failure::failed(format!("its answer to {} cannot be read: {fault}", kind.method()))
        })?;
        let next = fetched.next_cursor.take();
        if next.is_none() {
            return Ok(fetched);
        }
        if next == cursor {
            fetched.miss(name, "the next page has the cursor of this one");
            return Ok(fetched);
        }
        if fetched.size > MAX_SIZE {
            fetched.miss(name, "the list is too large");
            return Ok(fetched);
        }
        cursor = next;
    }
    fetched.miss(name, "the list has too many pages");
    Ok(fetched)
}

impl FetchedList {
    /// Adds a page.
    ///
    /// # Errors
    /// Returns an error if it cannot be parsed. The error says why.
    fn add(&mut self, kind: ListKind, text: &str) -> Result<(), &'static str> {
        let result = members(text).ok_or("it is not an object")?;
        let definitions = result.get(kind.member()).ok_or("it has no list")?;
        // Some servers write `null` for an empty list.
        let definitions: Option<Vec<Box<RawValue>>> =
            serde_json::from_str(definitions.get()).map_err(|_| "its list is not an array")?;
        let definitions = definitions.unwrap_or_default();
        self.size += definitions.iter().map(|definition| definition.get().len()).sum::<usize>();
        for definition in definitions {
            if kind == ListKind::Tools && needs_task(&definition) {
                self.left_out.extend(kind.name_of(&definition));
            } else {
                self.definitions.push(definition);
            }
        }

        let string = |name: &str| serde_json::from_str::<String>(result.get(name)?.get()).ok();
        let ttl = result.get("ttlMs").and_then(|ttl| ttl.get().parse().ok()).map(Duration::from_millis);
        self.ttl = match (self.ttl, ttl) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        };
        let scope = match string("cacheScope").as_deref() {
            Some("public") => CacheScope::Public,
            _ => CacheScope::Private,
        };
        self.scope = match self.scope {
            None | Some(CacheScope::Public) => Some(scope),
            Some(_) => Some(CacheScope::Private),
        };
        // Some servers write an empty cursor on the last page.
        let next = string("nextCursor").filter(|cursor| (1..=MAX_CURSOR).contains(&cursor.len()));
        self.next_cursor = next;
        if let Some(own) = result.get("_meta") {
            self.missing.extend(missing(own));
        }
        Ok(())
    }

    /// Whether the list is complete, and the same for all callers.
    pub(super) fn is_public(&self) -> bool {
        self.missing.is_empty() && self.scope == Some(CacheScope::Public)
    }

    fn miss(&mut self, name: &str, reason: &str) {
        tracing::warn!(upstream = name, reason, "the list of an upstream is not complete");
        self.missing.push((name.to_owned(), reason.to_owned()));
    }

    /// Returns the names in the list, each with its first position.
    pub(super) fn names(&self, kind: ListKind) -> HashMap<String, usize> {
        let mut names = HashMap::with_capacity(self.definitions.len());
        for (place, definition) in self.definitions.iter().enumerate() {
            if let Some(name) = kind.name_of(definition) {
                names.entry(name).or_insert(place);
            }
        }
        names
    }

    /// Returns the arguments that tools require in headers. Of tools with the same name, the first
    /// counts.
    pub(super) fn mirrored(&self) -> HashMap<String, MirroredParams> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Definition {
            input_schema: Value,
        }
        let mut mirrored = HashMap::new();
        for definition in &self.definitions {
            let Some(name) = ListKind::Tools.name_of(definition) else { continue };
            let schema = serde_json::from_str::<Definition>(definition.get()).ok();
            let params = schema.and_then(|it| MirroredParams::from_schema(&name, &it.input_schema).ok());
            mirrored.entry(name).or_insert(params.unwrap_or_default());
        }
        mirrored.retain(|_, params| !params.is_empty());
        mirrored
    }

    /// Returns the list as one page.
    ///
    /// # Errors
    /// Returns an error if a definition is not an object, or is nested too deep.
    pub(super) fn page(&self) -> Result<Page, Failure> {
        let page = Page::from_json(self.definitions.iter().map(|definition| &**definition))
            .map_err(|fault| Failure::failed(format!("its list cannot be read: {fault}")))?;
        if self.missing.is_empty() {
            let ttl = self.ttl.unwrap_or_default();
            return Ok(page.cache_hint(match self.scope.unwrap_or_default() {
                CacheScope::Public => CacheHint::public(ttl),
                _ => CacheHint::private(ttl),
            }));
        }
        // An incomplete list must not be cached.
        Ok(self.missing.iter().fold(page, |page, (name, reason)| page.with_missing(name, reason)))
    }
}

/// Whether a tool can only be called as a task (2025-11-25, Tasks, "Tool-Level Negotiation"). Tasks
/// are not passed on, so every call by a client would fail.
fn needs_task(definition: &RawValue) -> bool {
    #[derive(Deserialize)]
    struct Tool {
        execution: Execution,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Execution {
        task_support: String,
    }
    // Most definitions do not have it, and need not be parsed.
    definition.get().contains("execution")
        && serde_json::from_str::<Tool>(definition.get())
            .is_ok_and(|tool| tool.execution.task_support == "required")
}

/// Reads what an upstream says that its list lacks.
fn missing(own: &RawValue) -> Vec<(String, String)> {
    #[derive(Deserialize)]
    struct Note {
        name: String,
        #[serde(default)]
        reason: String,
    }
    let notes = members(own.get()).and_then(|own| serde_json::from_str(own.get(meta::MISSING)?.get()).ok());
    let notes: Vec<Note> = notes.unwrap_or_default();
    notes.into_iter().map(|note| (note.name, note.reason)).collect()
}

#[cfg(test)]
mod tests {
    use super::{FetchedList, ListKind};

    #[test]
    fn pages_are_joined_as_they_are() {
        let mut fetched = FetchedList::default();
        let first = r#"{"tools":[{"name":"a","odd":1.0}, {"name":"b"}],"nextCursor":"2","ttlMs":9}"#;
        assert_eq!(fetched.add(ListKind::Tools, first), Ok(()));
        assert_eq!(fetched.next_cursor.as_deref(), Some("2"));
        assert_eq!(fetched.add(ListKind::Tools, r#"{"tools":[ ]}"#), Ok(()));
        assert_eq!(fetched.add(ListKind::Tools, r#"{"tools":[{"name":"c"}]}"#), Ok(()));
        assert_eq!(fetched.next_cursor, None);
        let texts: Vec<_> = fetched.definitions.iter().map(|definition| definition.get()).collect();
        assert_eq!(texts, [r#"{"name":"a","odd":1.0}"#, r#"{"name":"b"}"#, r#"{"name":"c"}"#]);
        assert_eq!(fetched.names(ListKind::Tools).len(), 3);
        assert!(FetchedList::default().add(ListKind::Tools, r#"{"resources":[]}"#).is_err());
        for last in [r#"{"tools":null,"nextCursor":null}"#, r#"{"tools":[],"nextCursor":""}"#] {
            assert_eq!(fetched.add(ListKind::Tools, last), Ok(()));
            assert_eq!((fetched.next_cursor.as_deref(), fetched.definitions.len()), (None, 3), "{last}");
        }
    }

    #[test]
    fn tools_that_can_be_called_as_tasks_alone_are_left_out() {
        let tool = |name: &str, execution: &str| format!(r#"{{"name":"{name}","execution":{execution}}}"#);
        let tools = [
            tool("required", r#"{"taskSupport":"required"}"#),
            tool("escaped", r#"{"taskSupport":"\u0072equired"}"#),
            tool("optional", r#"{"taskSupport":"optional"}"#),
            tool("other", r#"{"x":1}"#),
            tool("odd", "null"),
            r#"{"name":"plain"}"#.to_owned(),
        ];
        let mut fetched = FetchedList::default();
        assert_eq!(fetched.add(ListKind::Tools, &format!(r#"{{"tools":[{}]}}"#, tools.join(","))), Ok(()));
        let mut names: Vec<_> = fetched.names(ListKind::Tools).into_keys().collect();
        names.sort_unstable();
        assert_eq!(names, ["odd", "optional", "other", "plain"]);
        let mut left_out: Vec<_> = fetched.left_out.iter().collect();
        left_out.sort_unstable();
        assert_eq!(left_out, ["escaped", "required"]);
    }

    #[test]
    fn what_an_upstream_says_that_its_list_lacks_is_said_again() {
        let mut fetched = FetchedList::default();
        let meta = r#"{"mcp-stateless/missing":[{"name":"inner","reason":"down"}]}"#;
        assert_eq!(fetched.add(ListKind::Tools, &format!(r#"{{"tools":[],"_meta":{meta}}}"#)), Ok(()));
        assert_eq!(fetched.missing, [("inner".to_owned(), "down".to_owned())]);
        assert!(fetched.page().is_ok());
    }
}
