//! Merges the lists of several registries.

use std::collections::HashMap;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::Shared;
use super::late::Caller;
use super::refresh::{Listing, RefreshKey, listing};
use crate::deadline::Deadline;
use crate::jsonrpc::{ErrorCode, RpcError};
use crate::observe::line;
use crate::protocol::CacheHint;
use crate::registry::page::{HIDDEN, LONGEST_REASON, MISSING, MOST_NOTES};
use crate::registry::source::OwnedListRequest;
use crate::registry::{ItemKind, Page};

/// How long to wait for a part's list when other parts have answered.
const SOON: Duration = Duration::from_secs(1);
/// How long to wait when no part has answered, or when the client asks for the part's next page.
const AT_LAST: Duration = Duration::from_secs(15);

/// A part whose list was requested.
struct Asked {
    part: usize,
    state: MergeState,
    /// The client has a page of it and asks for the next.
    is_continued: bool,
    /// Another task is already waiting for it.
    is_joined: bool,
}

enum MergeState {
    Pending(Listing),
    Done(Result<Page, RpcError>),
}

impl Asked {
    fn is_pending(&self) -> bool {
        matches!(self.state, MergeState::Pending(_))
    }
}

impl Shared {
    /// Joins the lists of all parts, up to the first list that continues on another page. All parts
    /// are asked at the same time. Those that fail or are slow are left to a refresh.
    pub(super) async fn merge(
        self: &Arc<Self>,
        request: OwnedListRequest,
        kind: ItemKind,
    ) -> Result<Page, RpcError> {
        let (start, cursor) = match request.borrow().cursor {
            None => (0, None),
            Some(cursor) => {
                let offers = |(part, _): &(usize, _)| self.parts.get(*part).is_some_and(|it| it.offers(kind));
                let (part, cursor) =
                    read_cursor(cursor).filter(offers).ok_or_else(RpcError::unknown_cursor)?;
                (part, Some(cursor))
            }
        };
        let caller = self.callers.of(&request.borrow());
        let request = Arc::new(request);
        let mut asked = self.ask(start, cursor, kind, caller, &request);
        self.gather(&mut asked, kind, caller).await;

        let mut merged = Merged::new(self, kind);
        for asked in asked {
            let wanted = RefreshKey { part: asked.part, kind, caller };
            let (error, first) = match asked.state {
                MergeState::Done(Ok(page)) => {
                    if merged.add(asked.part, &page) {
                        break;
                    }
                    continue;
                }
                // The part has no such list, which it reports as an error.
                MergeState::Done(Err(error)) if error.code() == ErrorCode::METHOD_NOT_FOUND => {
                    merged.is_any_there = true;
                    continue;
                }
                MergeState::Done(Err(error))
                    if asked.is_continued && error.code() == ErrorCode::INVALID_PARAMS =>
                {
                    return Err(error);
                }
                MergeState::Done(Err(error)) => (error, None),
                MergeState::Pending(listing) => {
                    let limit = if merged.is_any_there { SOON } else { AT_LAST };
                    let error = format!("no answer within {limit:?}");
                    let first = (!asked.is_continued).then_some(listing);
                    (RpcError::new(ErrorCode::INTERNAL_ERROR, error), first)
                }
            };
            merged.miss(asked.part, &error);
            let known = self.parts[asked.part].late(kind).known(caller).filter(|_| !asked.is_continued);
            if !asked.is_joined {
                self.refreshes.begin(self, wanted, &request, first);
            }
            if let Some(page) = known
                && merged.add(asked.part, &page)
            {
                break;
            }
        }
        merged.into_page(request.borrow().cursor.is_some())
    }

    fn ask(
        &self,
        start: usize,
        mut cursor: Option<String>,
        kind: ItemKind,
        caller: Caller,
        request: &Arc<OwnedListRequest>,
    ) -> Vec<Asked> {
        let offering = self.parts.iter().enumerate().skip(start).filter(|(_, part)| part.offers(kind));
        let asked = offering.map(|(part, _)| {
            let cursor = cursor.take().filter(|_| part == start);
            let is_continued = cursor.is_some();
            let joined =
                if is_continued { None } else { self.refreshes.join(RefreshKey { part, kind, caller }) };
            let is_joined = joined.is_some();
            let listing = joined.unwrap_or_else(|| listing(&self.parts, part, kind, request, cursor));
            Asked { part, state: MergeState::Pending(listing), is_continued, is_joined }
        });
        asked.collect()
    }

    /// Waits for the lists: a moment for all of them, and longer for the first one that arrives, or
    /// for one whose next page is requested.
    async fn gather(&self, asked: &mut [Asked], kind: ItemKind, caller: Caller) {
        let (mut soon, mut at_last) = (Deadline::new(SOON), Deadline::new(AT_LAST));
        let mut is_first = true;
        poll_fn(|cx| {
            for asked in &mut *asked {
                let MergeState::Pending(listing) = &mut asked.state else { continue };
                let late = self.parts[asked.part].late(kind);
                match listing.as_mut().poll(cx) {
                    Poll::Ready(outcome) => {
                        if let Ok(page) = &outcome
                            && late.is_late()
                            && !asked.is_continued
                        {
                            late.remember(caller, page);
                        }
                        asked.state = MergeState::Done(outcome);
                    }
                    Poll::Pending if is_first => late.set_late(),
                    Poll::Pending => {}
                }
            }
            is_first = false;
            if !asked.iter().any(Asked::is_pending) || at_last.poll(cx).is_ready() {
                return Poll::Ready(());
            }
            let is_enough = !asked.iter().any(|it| it.is_pending() && it.is_continued)
                && asked.iter().any(|it| match &it.state {
                    MergeState::Done(Ok(_)) => true,
                    _ => self.parts[it.part].late(kind).known(caller).is_some(),
                });
            // Polled in any case, so that its time starts now.
            if soon.poll(cx).is_ready() && is_enough { Poll::Ready(()) } else { Poll::Pending }
        })
        .await;
    }
}

/// A list under construction.
struct Merged<'s> {
    shared: &'s Shared,
    kind: ItemKind,
    definitions: Vec<u8>,
    /// The part that each name belongs to.
    seen: HashMap<String, usize>,
    next_cursor: Option<String>,
    cache: Option<CacheHint>,
    is_any_there: bool,
    missing: Vec<Value>,
    hidden: Vec<Value>,
}

impl<'s> Merged<'s> {
    fn new(shared: &'s Shared, kind: ItemKind) -> Self {
        Self {
            shared,
            kind,
            definitions: Vec::new(),
            seen: HashMap::new(),
            next_cursor: None,
            cache: None,
            is_any_there: false,
            missing: Vec::new(),
            hidden: Vec::new(),
        }
    }

    /// Adds the list of a part. Returns whether the list continues on another page.
    fn add(&mut self, index: usize, page: &Page) -> bool {
        self.is_any_there = true;
        let part = &self.shared.parts[index];
        page.each(|definition| {
            let Some(name) = part.name_of(definition, self.kind) else { return };
            if let Some(&other) = self.seen.get(&name) {
                self.hide(index, &name, other);
                return;
            }
            if !self.definitions.is_empty() {
                self.definitions.push(b',');
            }
            part.write(&mut self.definitions, definition, &name, self.kind);
            self.seen.insert(name, index);
        });
        // The parts that a nested catalog lacks are also missing here.
        let inner = |name| page.meta_list(name).into_iter().flatten().cloned();
        self.missing.extend(inner(MISSING));
        self.hidden.extend(inner(HIDDEN));
        self.cache = Some(self.cache.map_or(page.cache, |cache| page.cache.narrowest(cache)));
        self.next_cursor = page.next_cursor.as_ref().map(|next| write_cursor(index, next));
        self.next_cursor.is_some()
    }

    /// Omits a list. The incomplete result must not be cached.
    fn miss(&mut self, index: usize, error: &RpcError) {
        let name = &self.shared.parts[index].name;
        let reason: String = error.message().chars().take(LONGEST_REASON).collect();
        let (kind, error) = (self.kind.noun(), &*line(error.message(), LONGEST_REASON));
        tracing::debug!(part = name, kind, error, "a list of the catalog is missing for a client");
        self.missing.push(json!({"name": name, "reason": reason}));
        self.cache = Some(CacheHint::default());
    }

    /// Omits a definition whose name is taken.
    fn hide(&mut self, index: usize, item: &str, by: usize) {
        let [name, by] = [index, by].map(|index| &*self.shared.parts[index].name);
        self.shared.said_once(self.kind, item, || {
            tracing::warn!(
                item = &*line(item, LONGEST_REASON),
                kind = self.kind.noun(),
                shown = by,
                hidden = name,
                "two registries of the catalog have the same item"
            );
        });
        self.hidden.push(json!({"name": name, "item": item, "by": by}));
    }

    fn into_page(mut self, is_continued: bool) -> Result<Page, RpcError> {
        if !self.is_any_there && !self.missing.is_empty() {
            return Err(nothing_there(&self.missing));
        }
        let mut page = Page::default();
        for (name, mut notes) in [(MISSING, self.missing), (HIDDEN, self.hidden)] {
            notes.truncate(MOST_NOTES);
            if !notes.is_empty() {
                page = page.with_meta(name, notes);
            }
        }
        page.definitions = self.definitions.into();
        page.cache = self.cache.unwrap_or_default();
        page.next_cursor = self.next_cursor.take().map(Into::into);
        // All pages of a list need the same scope, and other pages may be private.
        let is_paged = is_continued || page.next_cursor.is_some();
        Ok(if is_paged { page.private() } else { page })
    }
}

fn nothing_there(missing: &[Value]) -> RpcError {
    let text = |note: &Value, key: &str| note[key].as_str().unwrap_or_default().to_owned();
    let causes =
        missing.iter().take(10).map(|note| format!("{}: {}", text(note, "name"), text(note, "reason")));
    let causes: Vec<_> = causes.collect();
    RpcError::new(ErrorCode::INTERNAL_ERROR, format!("No list is available: {}", causes.join("; ")))
}

fn write_cursor(part: usize, inner: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{part}:{inner}"))
}

fn read_cursor(cursor: &str) -> Option<(usize, String)> {
    let cursor = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (part, inner) = cursor.split_once(':')?;
    Some((part.parse().ok()?, inner.to_owned()))
}
