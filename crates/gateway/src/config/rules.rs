//! Which of a server's tools are served.

use std::collections::HashSet;

/// Stands for all tools in a list of those that are served.
const ALL: &str = "*";

/// Which of a server's tools are served: by default all of them.
#[derive(Debug, Default)]
pub(crate) struct ToolRules {
    /// If there is one, only these are served.
    allowed: Option<HashSet<String>>,
    /// These never are.
    denied: HashSet<String>,
}

impl ToolRules {
    /// Serves only these; of several such lists, only what is on all of them.
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

    /// Serves none of these, even if they are allowed.
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
