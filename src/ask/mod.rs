//! Questions to the client in the middle of a call: to its user (elicitation), its model
//! (sampling) or its file system (roots).
//!
//! A handler asks in one line, `cx.elicit("key", "…").await?`, and is written once for both
//! eras. In the modern era, a question without an answer ends the request, as soon as the handler
//! waits for nothing else. The reply is `input_required`, and its `requestState` contains the sealed answers
//! so far. The client calls again with the new answer, on any replica, and the handler
//! runs again from its beginning; this time it gets the answer (2026-07-28, Patterns, "Multi
//! Round-Trip Requests"). In the legacy era, the question is sent on the call's stream, and
//! the call waits for the answer, which arrives as a separate POST.
//!
//! An answer is not an authorisation. The client may invent it, even before it was asked. A sealed state
//! only proves which answers were sent earlier. An [`AnswerGuard`] ensures that answers belong to a question
//! that was asked, and that each is accepted once.

mod answers;
mod asking;
mod canonical;
mod config;
mod context;
mod elicit;
mod error;
mod guard;
mod idle;
mod input_required;
mod keys;
mod parking;
mod purpose;
mod question;
mod redeeming;
mod required;
mod sampling;
#[cfg(feature = "schemas")]
mod schema;
mod state;
#[cfg(feature = "tasks")]
mod task_context;
#[cfg(feature = "tasks")]
mod task_link;
#[cfg(feature = "tasks")]
mod task_wish;

#[cfg(feature = "tasks")]
pub(crate) use answers::read as read_answers;
pub(crate) use answers::{Answers, AnswersError};
pub(crate) use asking::Asks;
pub(crate) use config::{AskBuilder, AskSettings};
pub use elicit::{ElicitAction, ElicitResult};
pub use error::AskError;
pub use guard::{AnswerGuard, LocalAnswerGuard, Redeeming, Redemption};
pub(crate) use idle::IdleDetector;
pub use input_required::InputRequired;
pub use keys::{Sealer, StateKeys};
pub(crate) use parking::{DeliveryOutcome, random_id};
pub(crate) use purpose::Purpose;
pub use question::{Question, Root};
pub(crate) use redeeming::redeem;
pub use sampling::{IncludeContext, SamplingContent, SamplingMessage, SamplingRequest, SamplingResult};
pub(crate) use state::refusal;
#[cfg(feature = "tasks")]
pub(crate) use task_link::{TaskLink, TaskQuestion};
