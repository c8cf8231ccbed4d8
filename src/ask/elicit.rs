//! The answers of users.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The user's action on a question (2026-07-28, Client, "Response Actions").
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum ElicitAction {
    /// The user answered.
    Accept,
    /// The user declined.
    Decline,
    /// The user dismissed it without an answer.
    Cancel,
}

/// The answer of a user (2026-07-28, Schema, `ElicitResult`).
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
#[non_exhaustive]
pub struct ElicitResult {
    /// The user's action.
    pub action: ElicitAction,
    /// The fields of the form, if the user accepted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content: Option<Map<String, Value>>,
}
