//! Questions to the client in the midst of a call: to its user (elicitation), its model
//! (sampling) or its file system (roots).
//!
//! A handler asks in one line, `cx.elicit("key", "…").await?`, and is written once for both
//! eras. In the modern one, a question that has no answer yet ends the request: the reply
//! is `input_required`, and its `requestState` holds the answers so far, [sealed](keys). The
//! client calls again with what it was asked for, on any replica, and the handler runs
//! anew; this time the answer is there (2026-07-28, Patterns, "Multi Round-Trip
//! Requests"). In the legacy era the question goes out on the call's own stream, and the
//! call waits, [parked](parking), for the answer, which comes as a POST of its own.

mod answers;
mod asking;
mod by_hand;
mod canonical;
mod config;
mod context;
mod elicit;
mod error;
mod keys;
mod parking;
mod question;
mod sampling;
#[cfg(feature = "schemas")]
mod schema;
mod state;

pub(crate) use answers::{Answers, Origin};
pub(crate) use asking::{Asks, Required};
pub use by_hand::InputRequired;
pub(crate) use config::{AskBuilder, AskSettings};
pub use elicit::{ElicitAction, ElicitResult};
pub use error::AskError;
pub use keys::{Sealer, StateKeys};
#[cfg(feature = "upstream")]
pub(crate) use parking::random_id;
pub use question::{Question, Root};
pub use sampling::{SamplingContent, SamplingMessage, SamplingRequest, SamplingResult};
pub(crate) use state::Purpose;
