//! The kinds of items that have a list.

use super::{Answer, Item, ListRequest, Page, Registry};
use crate::changes::Change;
use crate::protocol::{Offer, ServerCapabilities};

/// A kind of item that has a list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ItemKind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl ItemKind {
    pub(crate) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];
    pub(crate) const COUNT: usize = Self::ALL.len();

    /// Returns the word for one item.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
        }
    }

    /// Returns the member of a definition that names the item.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Whether the registry chooses the names, so that a prefix may be added.
    pub(crate) fn has_names(self) -> bool {
        matches!(self, Self::Tools | Self::Prompts)
    }

    /// Returns the change to publish when the list changes.
    pub(crate) fn change(self) -> Change<'static> {
        match self {
            Self::Tools => Change::Tools,
            Self::Prompts => Change::Prompts,
            Self::Resources | Self::Templates => Change::Resources,
        }
    }

    pub(crate) fn item(self, name: &str) -> Item<'_> {
        match self {
            Self::Tools => Item::Tool(name),
            Self::Prompts => Item::Prompt(name),
            Self::Resources => Item::Resource(name),
            Self::Templates => Item::ResourceTemplate(name),
        }
    }

    /// Whether the capabilities offer it.
    pub(crate) fn is_in(self, has: ServerCapabilities) -> bool {
        let offer = match self {
            Self::Tools => has.tools,
            Self::Prompts => has.prompts,
            Self::Resources | Self::Templates => has.resources,
        };
        offer != Offer::Nothing
    }

    /// Requests a page of the list.
    pub(crate) fn list<'r, R>(self, registry: &'r R, request: ListRequest<'_>) -> Answer<'r, Page>
    where
        R: Registry + ?Sized,
    {
        match self {
            Self::Tools => registry.list_tools(request),
            Self::Prompts => registry.list_prompts(request),
            Self::Resources => registry.list_resources(request),
            Self::Templates => registry.list_resource_templates(request),
        }
    }
}
