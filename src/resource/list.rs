//! Lists of resources that a handler makes.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::call::output::sealed::Sealed;
use crate::call::{BoundHandler, CallError, CallKind, IntoOutput, Output, StatefulHandler, from_json};
use crate::protocol::ResourceLink;

/// Where a list of resources begins: the arguments of a handler that lists in pages.
///
/// A handler without arguments lists everything at once.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ListPage {
    /// The cursor that the handler returned with the page before; `None` for the first page. It
    /// comes back by way of the client, so it is to be checked as any other argument.
    #[serde(default)]
    pub cursor: Option<String>,
}

/// A page of a list of resources, the result of a handler that lists. What a list says of a
/// resource is what a [`ResourceLink`] says.
///
/// A `Vec<ResourceLink>` is a list of one page; a `Result` of either may fail.
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

    /// Says that more pages follow, and what the handler gets with the request for the next.
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

/// A handler that lists, of a definition that may still need its state.
pub(crate) type Lister<S> = StatefulHandler<S, ResourceList>;

/// A handler that lists, ready to be asked.
pub(crate) type BoundLister = BoundHandler<ResourceList>;
