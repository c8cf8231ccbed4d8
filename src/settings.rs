//! The settings of a manager, which do not change once it is built.

use std::sync::Arc;
use std::time::Duration;

use crate::call::{ErrorMaps, ResultTexts, ShownErrors};
use crate::drain::Drain;
use crate::http::HttpPolicy;
use crate::observe::ObserveSettings;
use crate::places::Places;
use crate::protocol::{CacheHint, OwnCapabilities, ServedRevisions};

pub(crate) struct Settings {
    pub(crate) http: HttpPolicy,
    pub(crate) revisions: ServedRevisions,
    pub(crate) keep_alive: Duration,
    pub(crate) tool_time_limit: Option<Duration>,
    pub(crate) shown_errors: ShownErrors,
    /// The host's maps of its own errors.
    pub(crate) error_maps: Option<Arc<ErrorMaps>>,
    pub(crate) logging: bool,
    /// The cache hint of `server/discover`.
    pub(crate) cache_hint: CacheHint,
    pub(crate) listeners: Places,
    /// `None` if the host does not limit calls in flight.
    pub(crate) calls: Option<Places>,
    pub(crate) drain: Arc<Drain>,
    pub(crate) observe: ObserveSettings,
    #[cfg(feature = "ask")]
    pub(crate) ask: crate::ask::AskSettings,
    /// `None` if the server has no tasks.
    #[cfg(feature = "tasks")]
    pub(crate) tasks: Option<crate::task::TaskSettings>,
    pub(crate) instructions: Option<String>,
    pub(crate) capabilities: OwnCapabilities,
    pub(crate) result_texts: ResultTexts,
}

impl Settings {
    /// Returns whether the server has tasks.
    #[cfg(feature = "tasks")]
    pub(crate) fn has_tasks(&self) -> bool {
        self.tasks.is_some()
    }

    /// Returns whether the server has tasks.
    #[cfg(not(feature = "tasks"))]
    #[expect(clippy::unused_self, reason = "without the feature there are none")]
    pub(crate) fn has_tasks(&self) -> bool {
        false
    }
}
