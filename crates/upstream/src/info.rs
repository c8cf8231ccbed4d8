//! Information that an upstream gives about itself.

use mcp_stateless::protocol::Icon;
use serde_json::Value;

/// Information about an upstream; see [`Upstream::probe`](super::Upstream::probe).
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct UpstreamInfo {
    /// The name of its software; empty if it gives none.
    pub name: String,
    /// The version of its software; empty if it gives none.
    pub version: String,
    /// Its display name.
    pub title: Option<String>,
    /// Its description, to show to users.
    pub description: Option<String>,
    /// The URL of its web site.
    pub website_url: Option<String>,
    /// Its icons.
    pub icons: Vec<Icon>,
    /// The name of the revision in use, such as `2025-11-25`.
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
    /// The patterns of its resource templates.
    pub resource_templates: Vec<String>,
    /// The lists that it declares but failed to return, and the reasons, such as
    /// `tools/list: the key is not valid`. May contain text from the upstream.
    pub failed_lists: Vec<String>,
}

/// Counters of one upstream since it was built.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct UpstreamStats {
    /// The number of open sessions; over stdio, of running children.
    pub open: usize,
    /// How many sessions were opened, including replacements.
    pub opened: u64,
    /// How many sessions replaced one that the upstream ended or forgot.
    pub reopened: u64,
    /// How many attempts to open a session failed.
    pub failed: u64,
    /// How many sessions were closed to make room for others, or because they were unused.
    pub evicted: u64,
    /// How many calls wait for the upstream now, including those that wait for a client's answer.
    pub in_flight: usize,
    /// How many of these are parked between two rounds of a client of 2026-07-28.
    pub parked: usize,
    /// How many log messages were dropped because their readers were slow.
    pub dropped_logs: u64,
}
