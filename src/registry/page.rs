//! Pages of lists, and lists that are split into pages when they are built.

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use crate::call::InvalidOutput;
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{Raw, RpcError, write};
use crate::protocol::CacheHint;

/// A serialised page of a list. Clones share its bytes.
#[derive(Clone, Debug, Default)]
pub struct Page {
    /// The definitions, separated by commas.
    pub(crate) definitions: Bytes,
    pub(crate) next_cursor: Option<Arc<str>>,
    pub(crate) cache: CacheHint,
    pub(crate) meta: Option<Arc<Map<String, Value>>>,
}

/// The members of `_meta` in which a [`Catalog`](crate::registry::Catalog) reports what its list
/// lacks.
pub(crate) const MISSING: &str = "mcp-stateless/missing";
pub(crate) const HIDDEN: &str = "mcp-stateless/hidden";
/// The maximum number of entries that a list reports as hidden or missing.
pub(crate) const MOST_NOTES: usize = 100;
/// The maximum number of characters of a reason.
pub(crate) const LONGEST_REASON: usize = 500;

impl Page {
    /// Creates the only page of a list from definitions as in the specification (2026-07-28,
    /// Schema, `Tool`, `Prompt`, `Resource` or `ResourceTemplate`), which are serialised as they
    /// are.
    ///
    /// # Errors
    /// Returns an error if a definition does not serialise.
    pub fn new(definitions: impl IntoIterator<Item = impl Serialize>) -> Result<Self, serde_json::Error> {
        let mut buffer = Vec::new();
        for definition in definitions {
            if !buffer.is_empty() {
                buffer.push(b',');
            }
            write::json(&mut buffer, &definition)?;
        }
        Ok(Self { definitions: buffer.into(), ..Self::default() })
    }

    /// Creates the only page of a list from definitions in JSON, for example of another server.
    /// They are passed on unchanged.
    ///
    /// # Errors
    /// Returns an error if a definition is not a JSON object, or is nested more than 128 levels deep.
    pub fn from_json<'a>(definitions: impl IntoIterator<Item = &'a RawValue>) -> Result<Self, InvalidOutput> {
        let mut buffer = Vec::new();
        for definition in definitions {
            if !Scanner::new(definition.get()).value().is_ok_and(Raw::is_object) {
                return Err(InvalidOutput::new("a definition must be a JSON object"));
            }
            if !buffer.is_empty() {
                buffer.push(b',');
            }
            buffer.extend_from_slice(definition.get().as_bytes());
        }
        Ok(Self { definitions: buffer.into(), ..Self::default() })
    }

    /// Says that more pages follow. `next` is the cursor that clients send to get the next page.
    #[must_use]
    pub fn next_cursor(mut self, cursor: impl Into<Arc<str>>) -> Self {
        self.next_cursor = Some(cursor.into());
        self
    }

    /// Sets how long, and for whom, the page may be cached. By default it may not. All pages of a
    /// list must have the same scope.
    #[must_use]
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }

    /// Adds a member to the result's `_meta` (2026-07-28, Base Protocol, "`_meta`").
    #[must_use]
    pub fn with_meta(mut self, key: impl Into<String>, value: impl Into<Value>) -> Self {
        let meta = self.meta.get_or_insert_default();
        Arc::make_mut(meta).insert(key.into(), value.into());
        self
    }

    /// Reports that the list lacks something: its name and the reason, for people to read. A
    /// [`Catalog`](crate::registry::Catalog) repeats it in the list that it joins. Clients find
    /// both in `_meta`, under `mcp-stateless/missing`.
    #[must_use]
    pub fn with_missing(mut self, name: &str, reason: &str) -> Self {
        let meta = Arc::make_mut(self.meta.get_or_insert_default());
        let reason: String = reason.chars().take(LONGEST_REASON).collect();
        let note = json!({"name": name, "reason": reason});
        match meta.get_mut(MISSING) {
            Some(Value::Array(notes)) if notes.len() >= MOST_NOTES => {}
            Some(Value::Array(notes)) => notes.push(note),
            _ => {
                meta.insert(MISSING.to_owned(), json!([note]));
            }
        }
        self
    }

    /// Returns the elements of an array in `_meta`.
    pub(crate) fn meta_list(&self, key: &str) -> Option<&[Value]> {
        Some(self.meta.as_ref()?.get(key)?.as_array()?)
    }

    /// Rewrites each definition with `write`, which leaves one out by writing nothing. The page is
    /// then private, because it may differ between callers, and does not name hidden items.
    pub(crate) fn map(mut self, mut write: impl FnMut(&mut Vec<u8>, Raw<'_>)) -> Self {
        let mut buffer = Vec::with_capacity(self.definitions.len());
        self.each(|definition| {
            let start = buffer.len();
            if start > 0 {
                buffer.push(b',');
            }
            let before = buffer.len();
            write(&mut buffer, definition);
            if buffer.len() == before {
                buffer.truncate(start);
            }
        });
        self.definitions = buffer.into();
        if self.meta_list(HIDDEN).is_some()
            && let Some(meta) = &mut self.meta
        {
            Arc::make_mut(meta).remove(HIDDEN);
        }
        self
    }

    /// Returns the page without the definitions for whose member `key`, a name or a URI, `sees`
    /// returns `false`.
    pub(super) fn visible(self, key: &str, sees: impl Fn(&str) -> bool) -> Self {
        let visible = self.map(|buffer, definition| {
            if definition.string_member(key).is_some_and(|name| sees(&name)) {
                buffer.extend_from_slice(definition.text().as_bytes());
            }
        });
        visible.private()
    }

    /// Visits each definition.
    pub(crate) fn each(&self, mut look: impl FnMut(Raw<'_>)) {
        // Definitions were serialised or checked, so they are valid JSON.
        let Ok(text) = std::str::from_utf8(&self.definitions) else { return };
        let mut scanner = Scanner::new(text);
        while let Ok(definition) = scanner.value() {
            look(definition);
            if !scanner.skip(b',') {
                break;
            }
        }
    }

    /// Makes the page private, so that shared caches do not keep it.
    pub(crate) fn private(mut self) -> Self {
        self.cache = self.cache.for_caller();
        self
    }
}

/// A list that is split into pages once.
pub(super) struct Pages {
    first: Page,
    /// By their cursors. A cursor is a fingerprint of the preceding definitions, so replicas with
    /// the same list understand each other's cursors. It reveals no names, because a caller may not
    /// see the whole list.
    others: HashMap<Arc<str>, Page>,
}

impl Pages {
    /// Splits definitions, each with a key such as its name, into pages of `size`. Without a size
    /// there is a single page.
    pub(super) fn new(definitions: &[(&str, &[u8])], size: Option<NonZeroUsize>, cache: CacheHint) -> Self {
        let size = size.map_or(usize::MAX, NonZeroUsize::get).min(definitions.len()).max(1);
        let mut chunks = definitions.chunks(size).peekable();
        let mut cursor: Option<Arc<str>> = None;
        let empty = Page { cache, ..Page::default() };
        let mut pages = Self { first: empty, others: HashMap::new() };
        let mut fingerprint = Fingerprint::default();
        while let Some(chunk) = chunks.next() {
            let more = chunks.peek().is_some();
            for (key, _) in chunk {
                fingerprint.add(key);
            }
            let next_cursor = more.then(|| fingerprint.to_cursor());
            let bytes: Vec<&[u8]> = chunk.iter().map(|(_, definition)| *definition).collect();
            let page = Page {
                definitions: bytes.join(&b',').into(),
                next_cursor: next_cursor.clone(),
                cache,
                meta: None,
            };
            match cursor {
                None => pages.first = page,
                Some(cursor) => {
                    pages.others.insert(cursor, page);
                }
            }
            cursor = next_cursor;
        }
        pages
    }

    pub(super) fn first(&self) -> &Page {
        &self.first
    }

    pub(super) fn page(&self, cursor: Option<&str>) -> Result<Page, RpcError> {
        match cursor {
            None => Ok(self.first.clone()),
            Some(cursor) => self.others.get(cursor).cloned().ok_or_else(RpcError::unknown_cursor),
        }
    }
}

/// FNV-1a, which is the same in every build, so that replicas of different builds agree.
struct Fingerprint(u64);

impl Default for Fingerprint {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Fingerprint {
    fn add(&mut self, key: &str) {
        // This byte does not occur in text, so different lists cannot be confused.
        for byte in key.bytes().chain([0xff]) {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    fn to_cursor(&self) -> Arc<str> {
        URL_SAFE_NO_PAD.encode(self.0.to_be_bytes()).into()
    }
}
