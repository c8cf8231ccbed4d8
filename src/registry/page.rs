//! A page of a list.

use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use crate::protocol::CacheHint;
use crate::rpc::write;

/// A page of `tools/list`, serialised. Clones share its bytes.
#[derive(Clone, Debug)]
pub struct ToolPage {
    /// The definitions, with commas between them.
    pub(crate) definitions: Bytes,
    pub(crate) next_cursor: Option<Arc<str>>,
    pub(crate) cache: CacheHint,
}

impl ToolPage {
    /// The only page of a list: definitions as the specification has them
    /// (2026-07-28, Schema, `Tool`), passed on as they serialise.
    ///
    /// # Errors
    /// When a definition cannot be JSON.
    pub fn new(definitions: impl IntoIterator<Item = impl Serialize>) -> Result<Self, serde_json::Error> {
        let mut buffer = Vec::new();
        for definition in definitions {
            if !buffer.is_empty() {
                buffer.push(b',');
            }
            write::json(&mut buffer, &definition)?;
        }
        Ok(Self { definitions: buffer.into(), next_cursor: None, cache: CacheHint::default() })
    }

    /// Says that more pages follow, and what the client must send to get the next.
    #[must_use]
    pub fn next_cursor(mut self, cursor: impl Into<Arc<str>>) -> Self {
        self.next_cursor = Some(cursor.into());
        self
    }

    /// How long, and for whom, the page may be cached; by default not at all. All
    /// pages of a list must have the same scope.
    #[must_use]
    pub fn cache_hint(mut self, hint: CacheHint) -> Self {
        self.cache = hint;
        self
    }
}
