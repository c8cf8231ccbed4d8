//! The lists that a server has.

use std::borrow::Cow;

use mcp_stateless::changes::Change;
use serde::Deserialize;
use serde_json::value::RawValue;

/// A list that a server has, named after what it lists.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum ListKind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl ListKind {
    pub(crate) const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::Tools => "tools/list",
            Self::Prompts => "prompts/list",
            Self::Resources => "resources/list",
            Self::Templates => "resources/templates/list",
        }
    }

    /// The member of the result that holds the definitions.
    pub(crate) fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// Returns the capability under which a server declares it.
    pub(crate) fn capability(self) -> &'static str {
        match self {
            Self::Templates => "resources",
            other => other.member(),
        }
    }

    /// Returns the change to publish when the list has changed.
    pub(crate) fn change(self) -> Change<'static> {
        match self {
            Self::Tools => Change::Tools,
            Self::Prompts => Change::Prompts,
            Self::Resources | Self::Templates => Change::Resources,
        }
    }

    /// Returns the member that names a definition: the name of a tool or a prompt, the URI of a
    /// resource, the URI template of a resource template.
    pub(crate) fn name_of(self, definition: &RawValue) -> Option<String> {
        #[derive(Deserialize)]
        #[serde(rename_all = "camelCase")]
        struct Names<'a> {
            #[serde(borrow)]
            name: Option<Cow<'a, str>>,
            #[serde(borrow)]
            uri: Option<Cow<'a, str>>,
            #[serde(borrow)]
            uri_template: Option<Cow<'a, str>>,
        }
        let Names { name, uri, uri_template } = serde_json::from_str(definition.get()).ok()?;
        let name = match self {
            Self::Tools | Self::Prompts => name,
            Self::Resources => uri,
            Self::Templates => uri_template,
        };
        name.map(Cow::into_owned)
    }
}
