//! Annotations of tools, and cache hints of lists.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Hints about what a tool does (2026-07-28, Schema, `ToolAnnotations`). A client must not trust
/// those of an untrusted server.
///
/// ```
/// use mcp_stateless::protocol::ToolAnnotations;
///
/// let look_only = ToolAnnotations::new().read_only(true).open_world(false);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct ToolAnnotations {
    /// The display name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whether the tool only reads. Clients assume `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// Whether the tool may make destructive changes. Clients assume `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Whether a repeated call has no additional effect. Clients assume `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// Whether the tool interacts with an open world, such as the web. Clients assume `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

impl ToolAnnotations {
    /// Creates annotations without hints.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the display name. Clients prefer [`Tool::title`](crate::Tool::title).
    #[must_use]
    pub fn title(mut self, title: impl Into<String>) -> Self {
        self.title = Some(title.into());
        self
    }

    /// Sets whether the tool only reads.
    #[must_use]
    pub fn read_only(mut self, hint: bool) -> Self {
        self.read_only_hint = Some(hint);
        self
    }

    /// Sets whether the tool may make destructive changes.
    #[must_use]
    pub fn destructive(mut self, hint: bool) -> Self {
        self.destructive_hint = Some(hint);
        self
    }

    /// Sets whether a repeated call has no additional effect.
    #[must_use]
    pub fn idempotent(mut self, hint: bool) -> Self {
        self.idempotent_hint = Some(hint);
        self
    }

    /// Sets whether the tool interacts with an open world, such as the web.
    #[must_use]
    pub fn open_world(mut self, hint: bool) -> Self {
        self.open_world_hint = Some(hint);
        self
    }
}

/// How long a client may cache a list, and who may share it (2026-07-28, Server, "Caching").
///
/// By default a list is immediately stale and private to the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheHint {
    pub(crate) ttl: Duration,
    pub(crate) scope: CacheScope,
}

/// Who may share a cached list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum CacheScope {
    /// Only the caller that requested it.
    #[default]
    Private,
    /// All callers, with any credentials.
    Public,
}

impl CacheHint {
    /// Creates a hint: fresh for `ttl` (in whole milliseconds), and only for its caller.
    pub const fn private(ttl: Duration) -> Self {
        Self { ttl, scope: CacheScope::Private }
    }

    /// Creates a hint: fresh for `ttl` (in whole milliseconds), and the same for all callers. A
    /// shared cache may serve it to other callers, with any credentials.
    pub const fn public(ttl: Duration) -> Self {
        Self { ttl, scope: CacheScope::Public }
    }

    /// Returns the same hint, but private.
    pub(crate) const fn for_caller(self) -> Self {
        Self::private(self.ttl)
    }

    /// Returns the hint that is valid for two parts together.
    pub(crate) fn narrowest(self, other: Self) -> Self {
        let is_private = [self.scope, other.scope].contains(&CacheScope::Private);
        let scope = if is_private { CacheScope::Private } else { CacheScope::Public };
        Self { ttl: self.ttl.min(other.ttl), scope }
    }
}
