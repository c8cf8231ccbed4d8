//! What a user answers.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// What a user did with a question (2026-07-28, Client, "Response Actions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ElicitAction {
    /// Answered it.
    Accept,
    /// Said no.
    Decline,
    /// Dismissed it without an answer.
    Cancel,
}

/// What a user answered (2026-07-28, Schema, `ElicitResult`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ElicitResult {
    /// What the user did.
    pub action: ElicitAction,
    /// The fields of the form, when it was answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Map<String, Value>>,
}
