//! The settings for checking heads and reading bodies.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::origin::OriginPolicy;

/// Which types the `Accept` header of a request must list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AcceptRule {
    /// JSON or server-sent events. The reply has a type that the client accepts.
    #[default]
    Either,
    /// Both types, by name, as the specification requires of clients.
    Both,
}

/// The settings of a manager that concern only HTTP.
pub(crate) struct HttpPolicy {
    pub(crate) origin: OriginPolicy,
    pub(crate) accept: AcceptRule,
    /// In bytes.
    pub(crate) max_body_size: usize,
    pub(crate) read_timeout: Duration,
    /// Shared by all bodies being read.
    pub(crate) body_budget: Arc<Budget>,
}
