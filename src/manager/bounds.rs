//! Limits on the resources that each client, and all clients together, can use.

use std::sync::Arc;

use crate::http::budget::Budget;
use crate::places::Places;
use crate::settings::Settings;

/// The bounds that a host has set.
#[derive(Clone, Debug)]
pub(super) struct Bounds {
    pub(super) bytes_in_flight: usize,
    pub(super) listeners: usize,
    pub(super) listeners_each: Option<usize>,
    /// Calls are counted only if one of these is set.
    pub(super) calls: Option<usize>,
    pub(super) calls_each: Option<usize>,
}

/// The bounds in use, which joined managers share.
pub(super) struct SharedBounds {
    pub(super) body_budget: Arc<Budget>,
    pub(super) listeners: Places,
    pub(super) calls: Option<Places>,
}

impl Default for Bounds {
    fn default() -> Self {
        Self {
            bytes_in_flight: 64 * 1024 * 1024,
            listeners: 1024,
            listeners_each: None,
            calls: None,
            calls_each: None,
        }
    }
}

impl Bounds {
    pub(super) fn build(&self) -> SharedBounds {
        let places = |most: usize, each: Option<usize>| Places::new(most, each.unwrap_or((most / 8).max(1)));
        let calls = match (self.calls, self.calls_each) {
            (None, None) => None,
            (calls, each) => Some(places(calls.unwrap_or(usize::MAX), each)),
        };
        SharedBounds {
            body_budget: Arc::new(Budget::new(self.bytes_in_flight)),
            listeners: places(self.listeners, self.listeners_each),
            calls,
        }
    }
}

impl SharedBounds {
    /// Returns the limits of another manager.
    pub(super) fn of(joined: &Settings) -> Self {
        Self {
            body_budget: Arc::clone(&joined.http.body_budget),
            listeners: joined.listeners.clone(),
            calls: joined.calls.clone(),
        }
    }
}
