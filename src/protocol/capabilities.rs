//! The capabilities of clients and servers.

use std::borrow::Cow;

use serde::Serialize;
use serde_json::{Map, Value};

use super::Era;
use crate::jsonrpc::Raw;

/// What a [`Registry`](crate::Registry) can serve. The manager answers only the methods of the
/// capabilities that are declared here.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// `tools/list` and `tools/call`.
    pub tools: Offer,
    /// `prompts/list` and `prompts/get`.
    pub prompts: Offer,
    /// `resources/list`, `resources/templates/list` and `resources/read`.
    pub resources: Offer,
    /// Notifications about resources whose contents have changed.
    pub resource_updates: bool,
    /// `completion/complete`.
    pub completions: bool,
}

/// Whether tools, prompts or resources are served, and whether their list can change.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Offer {
    /// They are not served.
    #[default]
    Nothing,
    /// They are served, and the list does not change.
    Fixed,
    /// They are served, and clients that subscribe are notified when the list changes.
    Changing,
}

impl ServerCapabilities {
    /// A fixed list of tools.
    pub const TOOLS: Self = Self { tools: Offer::Fixed, ..Self::NOTHING };
    /// A fixed list of prompts.
    pub const PROMPTS: Self = Self { prompts: Offer::Fixed, ..Self::NOTHING };
    /// A fixed list of resources.
    pub const RESOURCES: Self = Self { resources: Offer::Fixed, ..Self::NOTHING };
    /// The completion of arguments.
    pub const COMPLETIONS: Self = Self { completions: true, ..Self::NOTHING };
    const NOTHING: Self = Self {
        tools: Offer::Nothing,
        prompts: Offer::Nothing,
        resources: Offer::Nothing,
        resource_updates: false,
        completions: false,
    };

    /// Returns what two registries can serve together.
    #[must_use]
    pub fn with(self, other: Self) -> Self {
        Self {
            tools: self.tools.max(other.tools),
            prompts: self.prompts.max(other.prompts),
            resources: self.resources.max(other.resources),
            resource_updates: self.resource_updates || other.resource_updates,
            completions: self.completions || other.completions,
        }
    }

    /// Returns the same capabilities, but with lists that can change.
    #[must_use]
    pub fn changing(self) -> Self {
        let changing = |offer| if offer == Offer::Nothing { offer } else { Offer::Changing };
        Self {
            tools: changing(self.tools),
            prompts: changing(self.prompts),
            resources: changing(self.resources),
            resource_updates: self.resources != Offer::Nothing,
            completions: self.completions,
        }
    }

    /// Returns whether there is anything to subscribe to.
    pub(crate) fn can_change(self) -> bool {
        self.resource_updates || [self.tools, self.prompts, self.resources].contains(&Offer::Changing)
    }

    /// Returns the capabilities as they are declared to a client. Legacy clients get no
    /// notifications outside of calls, so those capabilities are not declared to them.
    pub(crate) fn declared(self, era: Era, logging: bool, own: &OwnCapabilities) -> DeclaredCapabilities<'_> {
        let hears = era == Era::Modern;
        let list = |offer| match offer {
            Offer::Nothing => None,
            Offer::Fixed => Some(Declared::default()),
            Offer::Changing => Some(Declared { list_changed: hears, subscribe: false }),
        };
        let mut resources = list(self.resources);
        if let Some(resources) = &mut resources {
            resources.subscribe = hears && self.resource_updates;
        }
        DeclaredCapabilities {
            completions: self.completions.then(Declared::default),
            experimental: &own.experimental,
            extensions: own.extensions_of(era),
            logging: logging.then(Declared::default),
            prompts: list(self.prompts),
            resources,
            tools: list(self.tools),
        }
    }
}

/// The capabilities that a host declares besides those of its registry, by their names.
#[derive(Clone, Debug, Default)]
pub(crate) struct OwnCapabilities {
    pub(crate) experimental: Map<String, Value>,
    pub(crate) extensions: Map<String, Value>,
}

/// The name of the extension for tasks.
#[cfg(feature = "tasks")]
pub(crate) const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

impl OwnCapabilities {
    /// Returns the extensions that clients of this era can use.
    fn extensions_of(&self, era: Era) -> Cow<'_, Map<String, Value>> {
        #[cfg(feature = "tasks")]
        if era == Era::Legacy && self.extensions.contains_key(TASKS_EXTENSION) {
            let mut others = self.extensions.clone();
            others.remove(TASKS_EXTENSION);
            return Cow::Owned(others);
        }
        let _ = era;
        Cow::Borrowed(&self.extensions)
    }
}

/// The capabilities, as they are sent to a client.
#[derive(Serialize)]
pub(crate) struct DeclaredCapabilities<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    completions: Option<Declared>,
    #[serde(skip_serializing_if = "Map::is_empty")]
    experimental: &'a Map<String, Value>,
    #[serde(skip_serializing_if = "has_none")]
    extensions: Cow<'a, Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logging: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompts: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    resources: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tools: Option<Declared>,
}

fn has_none(extensions: &Map<String, Value>) -> bool {
    extensions.is_empty()
}

/// The settings of a capability. Those that are `false` are omitted.
#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Declared {
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    list_changed: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    subscribe: bool,
}

/// A capability that a client may declare, and a call may require (2026-07-28, Schema,
/// `ClientCapabilities`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCapability {
    /// The client can show its user a form (`elicitation`).
    Elicitation,
    /// The client can send its user to a URL (`elicitation.url`).
    ElicitationUrl,
    /// The client can list its roots (`roots`).
    Roots,
    /// The client can ask its model (`sampling`).
    Sampling,
    /// The client adds context of servers to what its model is asked (`sampling.context`, deprecated
    /// in 2026-07-28).
    SamplingContext,
    /// The client can ask its model, and let it use tools (`sampling.tools`).
    SamplingTools,
    /// The client supports tasks (the extension `io.modelcontextprotocol/tasks`).
    Tasks,
}

impl ClientCapability {
    /// Returns the name on the wire, such as `roots` or `sampling.tools`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::ElicitationUrl => "elicitation.url",
            Self::Roots => "roots",
            Self::Sampling => "sampling",
            Self::SamplingContext => "sampling.context",
            Self::SamplingTools => "sampling.tools",
            Self::Tasks => "extensions.io.modelcontextprotocol/tasks",
        }
    }

    /// Returns the two parts of [`as_str`](Self::as_str). Splitting it would cost more than the rest of
    /// [`is_in`](Self::is_in).
    const fn names(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Elicitation => ("elicitation", None),
            Self::ElicitationUrl => ("elicitation", Some("url")),
            Self::Roots => ("roots", None),
            Self::Sampling => ("sampling", None),
            Self::SamplingContext => ("sampling", Some("context")),
            Self::SamplingTools => ("sampling", Some("tools")),
            Self::Tasks => ("extensions", Some("io.modelcontextprotocol/tasks")),
        }
    }

    /// Returns whether `declared`, the JSON of a `ClientCapabilities`, contains it.
    pub(crate) fn is_in(self, declared: Raw<'_>) -> bool {
        // Most clients declare little: `{}` is shorter than any name.
        if declared.text().len() < self.as_str().len() {
            return false;
        }
        let (whole, part) = self.names();
        let object = |of: Raw<'_>, name| matches!(of.member(name), Ok(Some(it)) if it.is_object());
        let Ok(Some(settings)) = declared.member(whole) else { return false };
        match (self, part) {
            _ if !settings.is_object() => false,
            // An empty object means forms only.
            (Self::Elicitation, _) => object(settings, "form") || !object(settings, "url"),
            (_, Some(part)) => object(settings, part),
            (_, None) => true,
        }
    }

    /// Returns a `ClientCapabilities` with only this capability.
    pub(crate) fn to_json(self) -> serde_json::Value {
        match self.names() {
            (whole, Some(part)) => serde_json::json!({whole: {part: {}}}),
            (whole, None) => serde_json::json!({whole: {}}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ClientCapability::{
        Elicitation, ElicitationUrl, Roots, Sampling, SamplingContext, SamplingTools, Tasks,
    };

    #[test]
    fn a_name_consists_of_its_parts() {
        for capability in
            [Elicitation, ElicitationUrl, Roots, Sampling, SamplingContext, SamplingTools, Tasks]
        {
            let (whole, part) = capability.names();
            let joined = part.map_or(whole.to_owned(), |part| format!("{whole}.{part}"));
            assert_eq!(joined, capability.as_str());
        }
    }
}
