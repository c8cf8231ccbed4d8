//! The settings of asking.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use http::request::Parts;

use super::keys::NoKeys;
use super::parking::{Parking, Replica};
use super::{AnswerGuard, Sealer, StateKeys};
use crate::changes::{ChangeBus, LocalBus};
use crate::places::Places;
use crate::principal::Principal;
use crate::protocol::Era;

/// The settings of asking, fixed when the manager is built.
pub(crate) struct AskSettings {
    /// The name of the server, to which its states are bound.
    pub(super) server: String,
    pub(super) sealer: Arc<dyn Sealer>,
    pub(super) state_lifetime: Duration,
    pub(super) max_state_size: usize,
    pub(super) question_grace: Duration,
    pub(super) guard: Option<Arc<dyn AnswerGuard>>,
    pub(crate) parking: Arc<Parking>,
    /// Whether a call that asks without a principal has been logged.
    has_warned: AtomicBool,
}

impl AskSettings {
    /// Returns the name of the server.
    #[cfg(feature = "tasks")]
    pub(crate) fn server(&self) -> &str {
        &self.server
    }

    /// Seals what lies in a store; see [`Sealer::seal`].
    #[cfg(feature = "tasks")]
    pub(crate) fn seal(&self, plain: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        self.sealer.seal(plain, bound_to)
    }

    /// Opens what lies in a store; see [`Sealer::open`].
    #[cfg(feature = "tasks")]
    pub(crate) fn open(&self, sealed: &[u8], bound_to: &[u8]) -> Option<Vec<u8>> {
        self.sealer.open(sealed, bound_to)
    }

    /// Logs a warning, once, if the caller of a call that asks is not known.
    pub(super) fn note_caller(&self, head: &Parts) {
        if Principal::of(head).is_none() && !self.has_warned.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                "a call without a `Principal` asks its client: anyone who gets hold of its state or question id can answer"
            );
        }
    }
}

#[derive(Clone)]
pub(crate) struct AskBuilder {
    pub(crate) sealer: Option<Arc<dyn Sealer>>,
    pub(crate) state_lifetime: Duration,
    pub(crate) max_state_size: usize,
    pub(crate) bus: Option<Arc<dyn ChangeBus>>,
    pub(crate) max_parked: usize,
    pub(crate) max_parked_per_principal: Option<usize>,
    pub(crate) answer_timeout: Duration,
    pub(crate) question_grace: Duration,
    pub(crate) guard: Option<Arc<dyn AnswerGuard>>,
}

impl Default for AskBuilder {
    fn default() -> Self {
        Self {
            sealer: None,
            state_lifetime: Duration::from_secs(600),
            max_state_size: 64 * 1024,
            bus: None,
            max_parked: 1024,
            max_parked_per_principal: None,
            answer_timeout: Duration::from_secs(300),
            question_grace: Duration::from_secs(30),
            guard: None,
        }
    }
}

impl fmt::Debug for AskBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AskBuilder").finish_non_exhaustive()
    }
}

impl AskBuilder {
    /// Builds the settings. Those of `joined` replace keys, bus, bounds and guard.
    pub(crate) fn build(self, server: &str, eras: &[Era], joined: Option<&AskSettings>) -> AskSettings {
        if let Some(joined) = joined {
            return AskSettings {
                server: server.to_owned(),
                sealer: Arc::clone(&joined.sealer),
                state_lifetime: self.state_lifetime,
                max_state_size: self.max_state_size,
                question_grace: self.question_grace,
                guard: joined.guard.clone(),
                parking: Arc::clone(&joined.parking),
                has_warned: AtomicBool::new(false),
            };
        }
        let mut missing = Vec::new();
        if self.sealer.is_none() && eras.contains(&Era::Modern) {
            missing.push("`state_keys`");
        }
        if self.bus.is_none() && eras.contains(&Era::Legacy) {
            missing.push("`answer_bus`");
        }
        if !missing.is_empty() {
            let missing = missing.join(", ");
            tracing::warn!(
                missing,
                "questions to clients can only be answered in this process: a setting is missing"
            );
        }
        let sealer = self.sealer.unwrap_or_else(|| match StateKeys::random() {
            Some(keys) => Arc::new(keys),
            None => Arc::new(NoKeys),
        });
        let each = self.max_parked_per_principal.unwrap_or_else(|| (self.max_parked / 8).max(1));
        AskSettings {
            server: server.to_owned(),
            sealer,
            state_lifetime: self.state_lifetime,
            max_state_size: self.max_state_size,
            question_grace: self.question_grace,
            guard: self.guard,
            parking: Arc::new(Parking {
                bus: self.bus.unwrap_or_else(|| Arc::new(LocalBus::default())),
                places: Places::new(self.max_parked, each),
                timeout: self.answer_timeout,
                replica: Replica::new(),
            }),
            has_warned: AtomicBool::new(false),
        }
    }
}
