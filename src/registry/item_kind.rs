//! The kinds of things that have a list.

use super::{Answer, Item, ListRequest, Page, Registry};
use crate::changes::Change;
use crate::protocol::{Offer, ServerCapabilities};

/// A kind of thing that has a list.
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

    /// What one of them is called.
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
        }
    }

    /// The member of a definition that names it.
    pub(crate) fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// Whether its names are given by the registry, and so may get a prefix.
    pub(crate) fn has_names(self) -> bool {
        matches!(self, Self::Tools | Self::Prompts)
    }

    /// What is said to have changed with its list.
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

    /// Whether it is served.
    pub(crate) fn is_in(self, has: ServerCapabilities) -> bool {
        let offer = match self {
            Self::Tools => has.tools,
            Self::Prompts => has.prompts,
            Self::Resources | Self::Templates => has.resources,
        };
        offer != Offer::Nothing
    }

    /// A page of the list.
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
