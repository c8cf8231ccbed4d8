//! The identity of a caller.

use std::fmt;
use std::sync::Arc;

use http::request::Parts;

/// A stable identifier of the caller, such as the subject of a token.
///
/// Your authentication inserts it into the request's extensions. Questions, their answers and tasks then
/// belong to their caller, and each caller has its own share of limited resources. Without a principal,
/// callers cannot be told apart: anyone who obtains a state, or the id of a question or a task, can use it.
/// A server that asks without a principal logs a warning once.
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
    /// Creates a principal with this name.
    pub fn new(name: impl Into<Arc<str>>) -> Self {
        Self(name.into())
    }

    /// Returns the name.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the caller of a request, if known.
    pub(crate) fn of(head: &Parts) -> Option<&Self> {
        head.extensions.get::<Self>()
    }
}

impl fmt::Display for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}
