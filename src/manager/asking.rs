//! Settings for the questions that handlers ask.

use std::sync::Arc;
use std::time::Duration;

use super::builder::ManagerBuilder;
use crate::ask::{AnswerGuard, Sealer};
use crate::changes::ChangeBus;

/// Settings for the questions that handlers ask their clients (feature `ask`).
impl ManagerBuilder {
    /// Sets the keys that seal the state of calls that ask their clients, in 2026-07-28. All
    /// replicas must share them. Other servers may use the same keys, because a state is bound to
    /// the server's name. By default each process generates a random key and logs a warning.
    pub fn state_keys(mut self, keys: impl Sealer) -> Self {
        self.ask.sealer = Some(Arc::new(keys));
        self
    }

    /// Sets how long a client has to answer, in 2026-07-28; 10 minutes by default.
    pub fn state_lifetime(mut self, lifetime: Duration) -> Self {
        self.ask.state_lifetime = lifetime;
        self
    }

    /// Sets the maximum size of a call's state, in bytes before it is sealed; 64 KiB by default.
    /// The state holds the answers of all rounds except the last.
    pub fn max_state_size(mut self, bytes: usize) -> Self {
        self.ask.max_state_size = bytes;
        self
    }

    /// Sets a guard that makes the server accept each state once, and accept answers only to the
    /// questions that were sent with it (in 2026-07-28). By default there is no guard: a client may
    /// answer questions before they are asked, and may repeat a request with its answers.
    ///
    /// Answers without a state, and a state that was redeemed before, get `-32602`, and the
    /// handler is not called. Answers to other questions are ignored. A state is redeemed before
    /// its handler runs, even if the call fails later: a client that loses the reply must call
    /// again from the start, without a state. The handler may then see the same call twice, so a
    /// guard does not make handlers idempotent. It does not prove who answers either; see
    /// [`InputRequired`](crate::ask::InputRequired).
    ///
    /// The guards of all replicas must share their storage. A request with a state is parsed twice
    /// and waits for the guard. Other requests are not affected.
    pub fn answer_guard(mut self, guard: impl AnswerGuard) -> Self {
        self.ask.guard = Some(Arc::new(guard));
        self
    }

    /// Sets how long a handler may continue with other work while one of its questions has no
    /// answer, in 2026-07-28; 30 s by default. After that the call ends with the question, and the
    /// work is dropped. The time limit of the tool applies as well. See
    /// [`CallContext`](crate::CallContext#questions-beside-other-work) for what counts as
    /// other work.
    pub fn question_grace(mut self, grace: Duration) -> Self {
        self.ask.question_grace = grace;
        self
    }

    /// Sets the bus that delivers answers from the replica that receives them to the replica whose
    /// call waits, in revisions before 2026-07-28. Without a bus, both must be the same process,
    /// and a warning is logged when the manager is built. An answer that reaches another replica is then
    /// refused with an error that names this setting, and the call waits until its
    /// [`answer_timeout`](Self::answer_timeout).
    pub fn answer_bus(mut self, bus: Arc<dyn ChangeBus>) -> Self {
        self.ask.bus = Some(bus);
        self
    }

    /// Sets how many calls may wait for answers at the same time, in revisions before 2026-07-28;
    /// 1024 by default. Callers without a [`Principal`](crate::Principal) share a second limit of
    /// the same size. At the limit a question fails immediately, with an error that names this setting.
    /// A handler that returns this error ends its call with a result that `isError`, and not with 503: it
    /// has begun, and may have taken effect.
    pub fn max_parked(mut self, calls: usize) -> Self {
        self.ask.max_parked = calls;
        self
    }

    /// Sets how many of these calls one [`Principal`](crate::Principal) may have; an eighth of
    /// [`max_parked`](Self::max_parked) by default, and at least one. Beyond it a question
    /// fails immediately as well.
    pub fn max_parked_per_principal(mut self, calls: usize) -> Self {
        self.ask.max_parked_per_principal = Some(calls);
        self
    }

    /// Sets how long a call waits for an answer, in revisions before 2026-07-28; 5 minutes by
    /// default. The time limit of the tool keeps running.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.ask.answer_timeout = timeout;
        self
    }
}
