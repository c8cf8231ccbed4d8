//! One registry of a catalog.

use std::collections::HashSet;
use std::sync::Arc;

use super::late::Late;
use crate::error::RegistryError;
use crate::jsonrpc::scan::Scanner;
use crate::jsonrpc::{Raw, write};
use crate::protocol::{Offer, Revision, ServerCapabilities};
use crate::registry::{Answer, ItemKind, ListRequest, Page, Registry};

/// How many pages of a list are searched for names that two parts share.
const MOST_PAGES: usize = 1000;

/// One registry of a catalog.
pub(super) struct Part {
    /// Includes the separator.
    pub(super) prefix: Option<String>,
    /// The name of the part in reports of missing lists: its prefix, or its position.
    pub(super) name: String,
    pub(super) registry: Box<dyn Registry>,
    late: [Late; ItemKind::COUNT],
}

impl Part {
    pub(super) fn new(prefix: Option<String>, name: String, registry: Box<dyn Registry>) -> Self {
        Self { prefix, name, registry, late: Default::default() }
    }

    /// Returns the part's own name for an item; `None` if the prefix differs.
    pub(super) fn own<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.prefix {
            Some(prefix) => name.strip_prefix(prefix.as_str()),
            None => Some(name),
        }
    }

    pub(super) fn offers(&self, kind: ItemKind) -> bool {
        kind.is_in(self.registry.capabilities())
    }

    /// Returns the latest known version of one of its lists.
    pub(super) fn late(&self, kind: ItemKind) -> &Late {
        &self.late[kind as usize]
    }

    /// Whether any of its lists was not ready at once.
    pub(super) fn is_late(&self) -> bool {
        self.late.iter().any(Late::is_late)
    }

    /// Returns what the part offers within a catalog: a list that may be missing can change.
    pub(super) fn capabilities(&self) -> ServerCapabilities {
        let mut has = self.registry.capabilities();
        let late = |kind| self.late(kind).is_late();
        for (offer, is_late) in [
            (&mut has.tools, late(ItemKind::Tools)),
            (&mut has.prompts, late(ItemKind::Prompts)),
            (&mut has.resources, late(ItemKind::Resources) || late(ItemKind::Templates)),
        ] {
            if is_late && *offer == Offer::Fixed {
                *offer = Offer::Changing;
            }
        }
        has
    }

    /// Requests a list. A panic becomes an error of this part.
    pub(super) fn ask(&self, kind: ItemKind, request: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::of(|| kind.list(&*self.registry, request))
    }

    /// Returns the names in a list, as far as they are known at once.
    ///
    /// # Errors
    /// Returns an error if its pages form a cycle.
    pub(super) fn names_now(&self, kind: ItemKind) -> Result<HashSet<String>, RegistryError> {
        let (head, ()) = http::Request::new(()).into_parts();
        let mut names = HashSet::new();
        let mut cursors: HashSet<Arc<str>> = HashSet::new();
        let mut cursor: Option<Arc<str>> = None;
        if !self.offers(kind) {
            return Ok(names);
        }
        for _ in 0..MOST_PAGES {
            let request = ListRequest {
                cursor: cursor.as_deref(),
                head: &head,
                revision: Revision::V2026_07_28,
                settings: None,
            };
            let Some(Ok(page)) = self.ask(kind, request).now() else {
                self.late(kind).set_late();
                return Ok(names);
            };
            page.each(|definition| names.extend(self.name_of(definition, kind)));
            let Some(next) = page.next_cursor else { return Ok(names) };
            if !cursors.insert(Arc::clone(&next)) {
                let fault = format!("the pages of the {}s form a cycle", kind.noun());
                return Err(RegistryError::new("registry", &self.name, fault));
            }
            cursor = Some(next);
        }
        tracing::warn!(
            part = self.name,
            kind = kind.noun(),
            pages = MOST_PAGES,
            "a list is too long: names after these pages are not checked for duplicates"
        );
        Ok(names)
    }

    /// Returns the name of a definition, with the prefix.
    pub(super) fn name_of(&self, definition: Raw<'_>, kind: ItemKind) -> Option<String> {
        let name = definition.string_member(kind.key())?;
        Some(match &self.prefix {
            Some(prefix) if kind.has_names() => format!("{prefix}{name}"),
            _ => name.into_owned(),
        })
    }

    /// Writes a definition with its name in the catalog.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, definition: Raw<'_>, name: &str, kind: ItemKind) {
        if self.prefix.is_none() || !kind.has_names() {
            buffer.extend_from_slice(definition.text().as_bytes());
            return;
        }
        buffer.push(b'{');
        // The text was scanned before, so it is valid.
        let _ = Scanner::new(definition.text()).members(|scanner, key| {
            let value = scanner.value()?;
            write::raw_key(buffer, key);
            if key.is_key(kind.key()) {
                write::string(buffer, name);
            } else {
                buffer.extend_from_slice(value.text().as_bytes());
            }
            Ok(())
        });
        buffer.push(b'}');
    }
}
