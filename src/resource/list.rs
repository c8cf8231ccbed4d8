//! Lists of resources that a handler returns.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::output::sealed::Sealed;
use crate::call::{BoundHandler, CallError, CallKind, IntoOutput, Output, StatefulHandler, from_json};
use crate::protocol::ResourceLink;

/// The position in a list of resources: the arguments of a handler that lists in pages.
///
/// A handler without arguments lists everything at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ListPage {
    /// The cursor that the handler returned with the previous page; `None` for the first page. It
    /// comes from the client, so check it like any argument.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// A page of a list of resources, returned by a handler that lists. Each entry is a
/// [`ResourceLink`].
///
/// A `Vec<ResourceLink>` is a list of one page. A handler may also return a `Result` of either.
///
/// ```
/// use mcp_stateless::protocol::ResourceLink;
/// use mcp_stateless::resource::{ListPage, ResourceList};
///
/// async fn list(page: ListPage) -> Result<ResourceList, std::num::ParseIntError> {
///     let start: u32 = page.cursor.as_deref().unwrap_or("0").parse()?;
///     let issues = (start..start + 100).map(|id| ResourceLink::new(format!("issue://{id}"), format!("Issue {id}")));
///     Ok(ResourceList::new(issues).next_cursor((start + 100).to_string()))
/// }
/// ```
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ResourceList {
    pub(crate) resources: Vec<ResourceLink>,
    pub(crate) next_cursor: Option<Cow<'static, str>>,
}

impl ResourceList {
    /// Creates the last page of a list.
    pub fn new(resources: impl IntoIterator<Item = ResourceLink>) -> Self {
        Self { resources: resources.into_iter().collect(), next_cursor: None }
    }

    /// Says that more pages follow. `next` is the cursor that the handler gets with the request for
    /// the next page.
    #[must_use]
    pub fn next_cursor(mut self, cursor: impl Into<Cow<'static, str>>) -> Self {
        self.next_cursor = Some(cursor.into());
        self
    }
}

impl Sealed for ResourceList {}

impl Output for ResourceList {
    const KIND: CallKind = CallKind::ResourceList;

    fn read_arguments<A: DeserializeOwned>(arguments: &str) -> Result<A, String> {
        from_json(arguments)
    }
}

impl IntoOutput<ResourceList> for Vec<ResourceLink> {
    fn into_output(self) -> Result<ResourceList, CallError> {
        Ok(ResourceList::new(self))
    }
}

/// A handler that lists, which may still need its state.
pub(crate) type Lister<S> = StatefulHandler<S, ResourceList>;

/// A handler that lists, bound to its state.
pub(crate) type BoundLister = BoundHandler<ResourceList>;
