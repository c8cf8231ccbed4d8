//! One registry of a catalog.

use std::sync::Arc;

use super::{Answer, Kind, ListRequest, Page, Registry};
use crate::protocol::Revision;
use crate::rpc::scan::Scanner;
use crate::rpc::{Raw, write};

/// One registry of a catalog.
pub(super) struct Part {
    /// With its separator.
    pub(super) prefix: Option<String>,
    pub(super) registry: Box<dyn Registry>,
}

impl Part {
    /// The name that the part itself knows; `None` when it is not one of its own.
    pub(super) fn own<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.prefix {
            Some(prefix) => name.strip_prefix(prefix.as_str()),
            None => Some(name),
        }
    }

    pub(super) fn offers(&self, kind: Kind) -> bool {
        kind.is_in(self.registry.capabilities())
    }

    /// A panic on the way is the part's own, and takes nothing else with it.
    pub(super) fn ask(&self, kind: Kind, request: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::of(|| kind.list(&*self.registry, request))
    }

    /// The names in a list, as far as they are known at once.
    pub(super) fn names_now(&self, kind: Kind, mut take: impl FnMut(String)) {
        let (head, ()) = http::Request::new(()).into_parts();
        let mut cursor: Option<Arc<str>> = None;
        while self.offers(kind) {
            let request =
                ListRequest { cursor: cursor.as_deref(), head: &head, revision: Revision::V2026_07_28 };
            let Some(Ok(page)) = self.ask(kind, request).now() else { return };
            page.each(|definition| {
                if let Some(name) = self.name_of(definition, kind) {
                    take(name);
                }
            });
            // A registry whose pages lead nowhere is not followed for ever.
            match page.next_cursor {
                Some(next) if cursor.as_ref() != Some(&next) => cursor = Some(next),
                _ => return,
            }
        }
    }

    /// The name of a definition, with the prefix.
    pub(super) fn name_of(&self, definition: Raw<'_>, kind: Kind) -> Option<String> {
        let name = definition.string_member(kind.key())?;
        Some(match &self.prefix {
            Some(prefix) if kind.has_names() => format!("{prefix}{name}"),
            _ => name.into_owned(),
        })
    }

    /// Writes a definition under its name in the catalog.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, definition: Raw<'_>, name: &str, kind: Kind) {
        if self.prefix.is_none() || !kind.has_names() {
            buffer.extend_from_slice(definition.text().as_bytes());
            return;
        }
        buffer.push(b'{');
        // What was passed over once can be passed over again.
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
