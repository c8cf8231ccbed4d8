//! What a tool's definition and its list carry.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Hints about what a tool does (2026-07-28, Schema, `ToolAnnotations`). They
/// are only hints: a client must not trust those of an untrusted server.
///
/// ```
/// use mcp_stateless::protocol::ToolAnnotations;
///
/// let look_only = ToolAnnotations { read_only_hint: Some(true), ..Default::default() };
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ToolAnnotations {
    /// A name for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// It changes nothing. Clients assume `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_only_hint: Option<bool>,
    /// It may destroy something. Clients assume `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub destructive_hint: Option<bool>,
    /// Calling it twice does no more than calling it once. Clients assume `false`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub idempotent_hint: Option<bool>,
    /// It reaches beyond a closed domain. Clients assume `true`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub open_world_hint: Option<bool>,
}

/// How long, and for whom, a client may cache a list (2026-07-28, Server,
/// "Caching").
///
/// The default promises nothing: stale at once, and private to the caller.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheHint {
    pub(crate) ttl: Duration,
    pub(crate) scope: CacheScope,
}

/// Who may share a cached list.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum CacheScope {
    /// Only the caller that it was sent to.
    #[default]
    Private,
    /// Anybody, across credentials.
    Public,
}

impl CacheHint {
    /// Fresh for `ttl` (counted in whole milliseconds), for its caller alone.
    pub const fn private(ttl: Duration) -> Self {
        Self { ttl, scope: CacheScope::Private }
    }

    /// Fresh for `ttl` (counted in whole milliseconds), and the same for every
    /// caller: a shared cache may hand it to anybody, whatever credential the
    /// request carried.
    pub const fn public(ttl: Duration) -> Self {
        Self { ttl, scope: CacheScope::Public }
    }

    /// The same, for its caller alone.
    pub(crate) const fn for_caller(self) -> Self {
        Self::private(self.ttl)
    }

    /// What holds for both of two parts.
    pub(crate) fn narrowest(self, other: Self) -> Self {
        let is_private = [self.scope, other.scope].contains(&CacheScope::Private);
        let scope = if is_private { CacheScope::Private } else { CacheScope::Public };
        Self { ttl: self.ttl.min(other.ttl), scope }
    }
}
