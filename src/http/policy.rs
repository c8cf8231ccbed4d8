//! The rules by which heads are admitted and bodies are read.

use std::sync::Arc;
use std::time::Duration;

use super::budget::Budget;
use super::origin::OriginPolicy;

/// What `Accept` must list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum AcceptRule {
    /// One of JSON and SSE is enough; the reply is of a type that fits.
    #[default]
    Either,
    /// Both, by name, as the specification demands of clients.
    Both,
}

/// The settings of a manager that concern HTTP alone.
pub(crate) struct HttpPolicy {
    pub(crate) origin: OriginPolicy,
    pub(crate) accept: AcceptRule,
    /// In bytes.
    pub(crate) max_body_size: usize,
    pub(crate) read_timeout: Duration,
    /// Shared by all bodies that are being read.
    pub(crate) body_budget: Arc<Budget>,
}
