//! What an upstream tells of itself.

use serde_json::Value;

/// What an upstream tells of itself; see [`Upstream::probe`](super::Upstream::probe).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct UpstreamInfo {
    /// The name of its software; empty when it does not tell.
    pub name: String,
    /// The version of its software; empty when it does not tell.
    pub version: String,
    /// The name of the revision that is spoken with it, such as `2025-11-25`.
    pub revision: String,
    /// The JSON of its `ServerCapabilities`.
    pub capabilities: Value,
    /// Its instructions on how to use it.
    pub instructions: Option<String>,
    /// The names of its tools.
    pub tools: Vec<String>,
    /// The names of its prompts.
    pub prompts: Vec<String>,
    /// The URIs of its resources.
    pub resources: Vec<String>,
    /// Its resource templates, as they are written.
    pub resource_templates: Vec<String>,
}

/// Numbers of one upstream, since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamStats {
    /// Sessions that are open now; over stdio that many children run.
    pub open: usize,
    /// Sessions that were opened in all, those that were opened anew among them.
    pub opened: u64,
    /// Sessions that were opened anew in the place of one that the upstream ended or forgot.
    pub reopened: u64,
    /// Attempts to open a session that failed.
    pub failed: u64,
    /// Sessions that were closed to make room for others, or because they were not used.
    pub evicted: u64,
    /// Calls that wait for the upstream now, calls that wait for a client's answer among
    /// them.
    pub in_flight: usize,
    /// Calls of these that are parked between two rounds of a client of 2026-07-28.
    pub parked: usize,
    /// Log messages that were dropped because their readers were slow.
    pub dropped_logs: u64,
}
