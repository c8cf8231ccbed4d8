//! One registry of a catalog, and the lists that it may have.

use std::sync::Arc;

use super::{Answer, ListRequest, Page, Registry};
use crate::protocol::{Offer, Revision, ServerCapabilities};
use crate::rpc::scan::Scanner;
use crate::rpc::{Raw, write};

/// One registry of a catalog.
pub(super) struct Part {
    /// With its separator.
    pub(super) prefix: Option<String>,
    pub(super) registry: Box<dyn Registry>,
}

/// One of the lists.
pub(super) struct List {
    pub(super) kind: &'static str,
    /// The member of a definition that names it.
    key: &'static str,
    /// Whether it is named by the registry, and so may get a prefix.
    pub(super) is_name: bool,
    offer: fn(ServerCapabilities) -> Offer,
    ask: for<'r> fn(&'r dyn Registry, ListRequest<'_>) -> Answer<'r, Page>,
}

pub(super) static TOOLS: List = List {
    kind: "tool",
    key: "name",
    is_name: true,
    offer: |has| has.tools,
    ask: |registry, request| registry.list_tools(request),
};
pub(super) static PROMPTS: List = List {
    kind: "prompt",
    key: "name",
    is_name: true,
    offer: |has| has.prompts,
    ask: |registry, request| registry.list_prompts(request),
};
pub(super) static RESOURCES: List = List {
    kind: "resource",
    key: "uri",
    is_name: false,
    offer: |has| has.resources,
    ask: |registry, request| registry.list_resources(request),
};
pub(super) static TEMPLATES: List = List {
    kind: "resource template",
    key: "uriTemplate",
    is_name: false,
    offer: |has| has.resources,
    ask: |registry, request| registry.list_resource_templates(request),
};

impl Part {
    /// The name that the part itself knows; `None` when it is not one of its own.
    pub(super) fn own<'a>(&self, name: &'a str) -> Option<&'a str> {
        match &self.prefix {
            Some(prefix) => name.strip_prefix(prefix.as_str()),
            None => Some(name),
        }
    }

    pub(super) fn offers(&self, list: &List) -> bool {
        (list.offer)(self.registry.capabilities()) != Offer::Nothing
    }

    /// A panic on the way is the part's own, and takes nothing else with it.
    pub(super) fn ask(&self, list: &List, request: ListRequest<'_>) -> Answer<'_, Page> {
        Answer::of(|| (list.ask)(&*self.registry, request))
    }

    /// The names in a list, as far as they are known at once.
    pub(super) fn names_now(&self, list: &List, mut take: impl FnMut(String)) {
        let (head, ()) = http::Request::new(()).into_parts();
        let mut cursor: Option<Arc<str>> = None;
        while self.offers(list) {
            let request =
                ListRequest { cursor: cursor.as_deref(), head: &head, revision: Revision::V2026_07_28 };
            let Some(Ok(page)) = self.ask(list, request).now() else { return };
            page.each(|definition| {
                if let Some(name) = self.name_of(definition, list) {
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
    pub(super) fn name_of(&self, definition: Raw<'_>, list: &List) -> Option<String> {
        let name = definition.string_member(list.key)?;
        Some(match &self.prefix {
            Some(prefix) if list.is_name => format!("{prefix}{name}"),
            _ => name.into_owned(),
        })
    }

    /// Writes a definition under its name in the catalog.
    pub(super) fn write(&self, buffer: &mut Vec<u8>, definition: Raw<'_>, name: &str, list: &List) {
        if self.prefix.is_none() || !list.is_name {
            buffer.extend_from_slice(definition.text().as_bytes());
            return;
        }
        buffer.push(b'{');
        // What was passed over once can be passed over again.
        let _ = Scanner::new(definition.text()).members(|scanner, key| {
            let value = scanner.value()?;
            write::raw_key(buffer, key);
            if key.is_key(list.key) {
                write::string(buffer, name);
            } else {
                buffer.extend_from_slice(value.text().as_bytes());
            }
            Ok(())
        });
        buffer.push(b'}');
    }
}
