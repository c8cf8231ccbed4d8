//! What clients and servers declare that they can do.

use serde::Serialize;

use crate::rpc::Raw;

/// What a [`Registry`](crate::Registry) can serve. The manager answers the
/// methods of what is declared here, and no others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServerCapabilities {
    /// `tools/list` and `tools/call`.
    pub tools: bool,
}

impl ServerCapabilities {
    /// Tools, and nothing else.
    pub const TOOLS: Self = Self { tools: true };
}

/// The capabilities as they go over the wire.
#[derive(Serialize)]
pub(crate) struct DeclaredCapabilities {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) logging: Option<Declared>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tools: Option<Declared>,
}

/// A capability without settings: `{}`.
#[derive(Serialize)]
pub(crate) struct Declared {}

/// A capability that a client may declare (2026-07-28, Schema,
/// `ClientCapabilities`) and a tool may need.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ClientCapability {
    /// The client asks its user (`elicitation`).
    Elicitation,
    /// The client lists its roots (`roots`).
    Roots,
    /// The client asks its model (`sampling`).
    Sampling,
}

impl ClientCapability {
    /// The name on the wire.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Elicitation => "elicitation",
            Self::Roots => "roots",
            Self::Sampling => "sampling",
        }
    }

    /// Whether `declared`, the JSON of a `ClientCapabilities`, has it.
    pub(crate) fn is_in(self, declared: Raw<'_>) -> bool {
        matches!(declared.member(self.as_str()), Ok(Some(settings)) if settings.is_object())
    }
}
