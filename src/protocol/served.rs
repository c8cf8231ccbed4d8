//! The revisions that a server serves.

use serde_json::json;

use super::{Era, Revision};

/// The revisions that a server serves, newest first. There is at least one.
#[derive(Clone, Debug)]
pub(crate) struct ServedRevisions {
    revisions: Vec<Revision>,
    /// Their names, as a JSON array.
    json: String,
}

impl ServedRevisions {
    /// Returns all revisions of these eras.
    pub(crate) fn of(eras: &[Era]) -> Self {
        let revisions: Vec<Revision> =
            Revision::ALL.into_iter().filter(|revision| eras.contains(&revision.era())).collect();
        let json = json!(names(&revisions)).to_string();
        Self { revisions, json }
    }

    pub(crate) fn contains(&self, revision: Revision) -> bool {
        self.revisions.contains(&revision)
    }

    pub(crate) fn newest_legacy(&self) -> Option<Revision> {
        self.revisions.iter().copied().find(|revision| revision.era() == Era::Legacy)
    }

    pub(crate) fn names(&self) -> Vec<&'static str> {
        names(&self.revisions)
    }

    pub(crate) fn as_json(&self) -> &str {
        &self.json
    }
}

fn names(revisions: &[Revision]) -> Vec<&'static str> {
    revisions.iter().map(|revision| revision.as_str()).collect()
}
