//! Lists that include resources that come from data.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use super::Resources;
use crate::call::{Lookup, Rights};
use crate::jsonrpc::{RpcError, write};

use crate::registry::{Answer, ItemKind, ListRequest, Page};
use crate::resource::{BoundLister, ListPage, uri};

/// A handler that lists, with its name in the log, and the rights to what it lists.
pub(super) struct Source<'a> {
    name: &'a str,
    rights: &'a Rights,
    lister: &'a BoundLister,
}

impl Resources {
    /// The handlers that list: those of the templates, then those of the collections.
    fn sources(&self) -> impl Iterator<Item = Source<'_>> {
        let collections = self.collections.iter().map(|collection| Source {
            name: &collection.prefix,
            rights: &collection.reader.rights,
            lister: &collection.lister,
        });
        #[cfg(feature = "templates")]
        let collections = {
            let templates = self.templates.iter().filter_map(|template| {
                let lister = template.lister.as_ref()?;
                Some(Source { name: &template.template, rights: &template.reader.rights, lister })
            });
            templates.chain(collections)
        };
        collections
    }

    /// Returns a page of the list: the fixed resources first, then the results of the handlers in
    /// order, up to the first one that continues on another page.
    pub(super) fn list(&self, request: ListRequest<'_>) -> Answer<'_, Page> {
        let fixed = self.pages.page(request.cursor).map(|page| self.visible(page, request));
        if self.sources().next().is_none() {
            return Answer::ready(fixed);
        }
        let (page, start) = match (fixed, request.cursor.and_then(read_cursor)) {
            // Handlers may list different resources for each caller, and all pages need the same
            // scope.
            (Ok(page), _) => (page.private(), (0, None)),
            (Err(_), Some(start)) => {
                (Page { cache: self.pages.first().cache, ..Page::default() }.private(), start)
            }
            (Err(error), None) => return Answer::ready(Err(error)),
        };
        if page.next_cursor.is_some() {
            return Answer::ready(Ok(page));
        }
        let sees: Vec<bool> = self.sources().map(|source| source.rights.permit(request.head)).collect();
        let (first, cursor) = start;
        if sees.get(first) != Some(&true) && cursor.is_some() {
            return Answer::ready(Err(RpcError::unknown_cursor()));
        }
        let lookup = Lookup::new(request.head, request.revision, request.settings);
        Answer::later(self.append(page, first, cursor, sees, lookup))
    }

    async fn append(
        &self,
        mut page: Page,
        first: usize,
        mut cursor: Option<String>,
        sees: Vec<bool>,
        lookup: Lookup,
    ) -> Result<Page, RpcError> {
        let mut definitions = Vec::from(std::mem::take(&mut page.definitions));
        for (index, source) in self.sources().enumerate().skip(first).filter(|(index, _)| sees[*index]) {
            let arguments = serde_json::json!(ListPage { cursor: cursor.take() }).to_string();
            let list = lookup.clone().run(source.lister, source.name, &arguments).await?;
            for resource in &list.resources {
                // A resource with this URI is listed already, or must not be seen.
                if self.by_uri.contains_key(&*uri::canonical(&resource.uri)) {
                    continue;
                }
                if !definitions.is_empty() {
                    definitions.push(b',');
                }
                // Strings, numbers and lists of them always serialise.
                let _ = write::json(&mut definitions, resource);
            }
            if let Some(next) = list.next_cursor {
                page = page.next_cursor(write_cursor(index, &next));
                break;
            }
        }
        page.definitions = definitions.into();
        Ok(page)
    }

    /// Returns a page of fixed resources without those that the caller must not see.
    fn visible(&self, page: Page, request: ListRequest<'_>) -> Page {
        if self.is_public {
            return page;
        }
        page.visible(ItemKind::Resources.key(), |uri| {
            self.rights(uri).is_none_or(|rights| rights.list(request.head))
        })
    }
}

fn write_cursor(source: usize, inner: &str) -> String {
    URL_SAFE_NO_PAD.encode(format!("{source}:{inner}"))
}

fn read_cursor(cursor: &str) -> Option<(usize, Option<String>)> {
    let cursor = String::from_utf8(URL_SAFE_NO_PAD.decode(cursor).ok()?).ok()?;
    let (source, inner) = cursor.split_once(':')?;
    Some((source.parse().ok()?, Some(inner.to_owned())))
}
