//! Rules for which of a server's tools are served.

use std::collections::HashSet;

/// Means all tools in a list of those that are served.
const ALL: &str = "*";

/// The tools of a server that are served; by default all.
#[derive(Debug, Default)]
pub(crate) struct ToolRules {
    /// If present, only these are served.
    allowed: Option<HashSet<String>>,
    /// These are never served.
    denied: HashSet<String>,
}

impl ToolRules {
    /// Serves only these. With several lists, only tools on all of them are served.
    pub(crate) fn allow(&mut self, tools: Vec<String>) {
        if tools.iter().any(|tool| tool == ALL) {
            return;
        }
        let tools: HashSet<_> = tools.into_iter().collect();
        self.allowed = Some(match self.allowed.take() {
            None => tools,
            Some(allowed) => allowed.intersection(&tools).cloned().collect(),
        });
    }

    /// Never serves these, even if they are allowed.
    pub(crate) fn deny(&mut self, tools: Vec<String>) {
        self.denied.extend(tools);
    }

    /// Whether all tools are served.
    pub(crate) fn are_empty(&self) -> bool {
        self.allowed.is_none() && self.denied.is_empty()
    }

    pub(crate) fn admit(&self, tool: &str) -> bool {
        let is_allowed = self.allowed.as_ref().is_none_or(|allowed| allowed.contains(tool));
        is_allowed && !self.denied.contains(tool) && !self.denied.contains(ALL)
    }
}
