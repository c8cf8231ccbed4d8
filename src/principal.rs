//! The caller of a request.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

/// A stable identifier of the caller: of a user or a client, such as the subject of a token.
///
/// The host's own authentication puts it into the request's extensions. What belongs to one
/// caller is then bound to it: the state of a call that asks its client, the answers to its
/// questions, and a share of what is bounded. Without one, all callers are the same: anyone
/// who gets hold of a state or of the id of a question can answer. A server that asks
/// without one logs a warning, once.
///
/// ```
/// use mcp_stateless::Principal;
///
/// let mut request = http::Request::post("/mcp").body(())?;
/// request.extensions_mut().insert(Principal::new("user-17"));
/// # Ok::<(), http::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Principal(Arc<str>);

impl Principal {
    /// The caller of this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The caller of a request, if it is known.
    pub(crate) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get::<Self>()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
