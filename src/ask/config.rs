//! How asking is set up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::keys::NoKeys;
use super::parking::Parking;
use super::{Sealer, StateKeys};
use crate::changes::{ChangeBus, LocalBus};
use crate::config::ManagerBuilder;
use crate::protocol::Era;

/// The settings of asking, fixed once built.
pub(crate) struct AskSettings {
    /// The name of the server, which its states belong to.
    pub(super) server: String,
    pub(super) sealer: Arc<dyn Sealer>,
    pub(super) state_lifetime: Duration,
    pub(super) max_state_size: usize,
    pub(crate) parking: Parking,
}

#[derive(Clone)]
pub(crate) struct AskBuilder {
    sealer: Option<Arc<dyn Sealer>>,
    state_lifetime: Duration,
    max_state_size: usize,
    bus: Option<Arc<dyn ChangeBus>>,
    max_parked: usize,
    answer_timeout: Duration,
}

impl Default for AskBuilder {
    fn default() -> Self {
        Self {
            sealer: None,
            state_lifetime: Duration::from_secs(600),
            max_state_size: 64 * 1024,
            bus: None,
            max_parked: 1024,
            answer_timeout: Duration::from_secs(300),
        }
    }
}

impl fmt::Debug for AskBuilder {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("AskBuilder").finish_non_exhaustive()
    }
}

impl AskBuilder {
    pub(crate) fn build(self, server: &str, eras: &[Era]) -> AskSettings {
        let sealer = self.sealer.unwrap_or_else(|| {
            if eras.contains(&Era::Modern) {
                tracing::warn!(
                    "no `state_keys` are set: calls that ask their clients go on in this process alone"
                );
            }
            match StateKeys::random() {
                Some(keys) => Arc::new(keys),
                None => Arc::new(NoKeys),
            }
        });
        let bus = self.bus.unwrap_or_else(|| Arc::new(LocalBus::default()));
        AskSettings {
            server: server.to_owned(),
            sealer,
            state_lifetime: self.state_lifetime,
            max_state_size: self.max_state_size,
            parking: Parking {
                bus,
                most: self.max_parked,
                timeout: self.answer_timeout,
                parked: Arc::default(),
            },
        }
    }
}

/// Settings of the questions that handlers ask their clients (feature `ask`).
impl ManagerBuilder {
    /// Seals the state of calls that ask their clients something, in 2026-07-28, with
    /// these keys, which all replicas must share. A state belongs to the server's name, so
    /// other servers may have the same keys. Without, a random key is made, which no
    /// other process has, and a warning is logged.
    pub fn state_keys(mut self, keys: impl Sealer) -> Self {
        self.ask.sealer = Some(Arc::new(keys));
        self
    }

    /// How long a client has to answer, in 2026-07-28; 10 minutes by default.
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.ask.state_lifetime = lifetime;
        self
    }

    /// The largest state of a call, in bytes before it is sealed; 64 KiB by default. It
    /// holds the answers of all rounds but the last.
    pub fn max_state_size(mut self, bytes: usize) -> Self {
        self.ask.max_state_size = bytes;
        self
    }

    /// Carries answers to calls that wait for them, in revisions before 2026-07-28, from
    /// the replica that gets the answer to the one that waits. By default they must be the
    /// same process.
    pub fn answer_bus(mut self, bus: Arc<dyn ChangeBus>) -> Self {
        self.ask.bus = Some(bus);
        self
    }

    /// How many calls may wait for answers at the same time, in revisions before
    /// 2026-07-28; 1024 by default. The next question fails.
    pub fn max_parked(mut self, calls: usize) -> Self {
        self.ask.max_parked = calls;
        self
    }

    /// How long a call waits for an answer, in revisions before 2026-07-28; 5 minutes by
    /// default. The time limit of the tool goes on meanwhile.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.ask.answer_timeout = timeout;
        self
    }
}
