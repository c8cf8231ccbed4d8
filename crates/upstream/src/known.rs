//! What the sessions of all callers have shown about an upstream.

use std::sync::Arc;

use mcp_stateless::protocol::{Era, ServerCapabilities};

use super::eras::Eras;
use super::handshake::About;
use super::kind::ListKind;
use super::lists::{List, offered};

#[derive(Default)]
pub(super) struct Known {
    pub(super) eras: Eras,
    /// By the era of the session that it came from.
    capabilities: [Option<ServerCapabilities>; 2],
    lists: [Option<Arc<List>>; 4],
}

impl Known {
    /// Learns from a session that was requested in the era `wanted`.
    pub(super) fn learn(&mut self, about: &About, wanted: Era, is_single: bool) {
        self.eras.learn(about, wanted);
        if is_single {
            self.eras.only(about.era);
        }
        self.capabilities[about.era as usize] = Some(offered(&about.capabilities));
    }

    /// Returns what the upstream offers in either era, once a session has been opened.
    pub(super) fn capabilities(&self) -> Option<ServerCapabilities> {
        self.capabilities.into_iter().flatten().reduce(ServerCapabilities::with)
    }

    /// Returns the latest list that any caller received.
    pub(super) fn list(&self, kind: ListKind) -> Option<Arc<List>> {
        self.lists[kind as usize].clone()
    }

    pub(super) fn remember(&mut self, kind: ListKind, list: &Arc<List>) {
        self.lists[kind as usize] = Some(Arc::clone(list));
    }

    pub(super) fn forget(&mut self, kind: ListKind) {
        self.lists[kind as usize] = None;
    }
}
