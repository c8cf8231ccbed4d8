//! What notifications carry.

use serde::{Deserialize, Serialize};

/// The severity of a log message, after RFC 5424 (2026-07-28, Server,
/// "Logging"); ordered from the least severe to the most.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum LogLevel {
    /// Details for debugging.
    Debug,
    /// What goes on.
    Info,
    /// Normal, but worth a note.
    Notice,
    /// Something is odd.
    Warning,
    /// An operation failed.
    Error,
    /// A component failed.
    Critical,
    /// Someone must act now.
    Alert,
    /// The system is unusable.
    Emergency,
}
