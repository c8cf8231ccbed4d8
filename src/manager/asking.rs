//! Settings of the questions that handlers ask.

use std::sync::Arc;
use std::time::Duration;

use super::builder::ManagerBuilder;
use crate::ask::{AnswerGuard, Sealer};
use crate::changes::ChangeBus;

/// Settings of the questions that handlers ask their clients (feature `ask`).
impl ManagerBuilder {
    /// Seals the state of calls that ask their clients, in 2026-07-28, with these keys, which
    /// all replicas must share. A state belongs to the server's name, so other servers may
    /// have the same keys. Without keys a random one is made, which no other process has, and
    /// a warning is logged.
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

    /// Takes answers once, in 2026-07-28: only together with a state that this server sent, for
    /// the questions that went out with it, and each state once. Without a guard, which is the default, a client may send answers
    /// to questions that it was not asked yet, and may send a request with its answers again.
    ///
    /// Answers without a state, and a state that was redeemed, get `-32602`, and the handler is
    /// not called. Answers to other questions are ignored, and these asked when it comes to
    /// them. A state counts as
    /// redeemed from before its handler runs, whatever becomes of the call: a client that
    /// loses the reply must call again from the start, without a state. A handler may still
    /// see the same call twice in this way, so this does not make what it does idempotent;
    /// and it says nothing about who answers, see [`InputRequired`](crate::ask::InputRequired).
    ///
    /// All replicas need guards that share what they know. Requests that bring a state are
    /// read twice, and wait for the guard; others cost nothing more.
    pub fn answer_guard(mut self, guard: impl AnswerGuard) -> Self {
        self.ask.guard = Some(Arc::new(guard));
        self
    }

    /// How long a handler may go on with other work once one of its questions has no answer,
    /// in 2026-07-28; 30 s by default. Then the call ends with the question, and the work is
    /// dropped. The time limit of the tool applies as well. See
    /// [`CallContext`](crate::CallContext#questions-beside-other-work) for what counts as
    /// other work.
    pub fn question_grace(mut self, grace: Duration) -> Self {
        self.ask.question_grace = grace;
        self
    }

    /// Carries answers to calls that wait for them, in revisions before 2026-07-28, from the
    /// replica that gets the answer to the one that waits. By default both must be the same
    /// process, and a warning is logged: an answer that reaches another replica is refused
    /// with an error that names this setting, while the call goes on waiting for its
    /// [`answer_timeout`](Self::answer_timeout).
    pub fn answer_bus(mut self, bus: Arc<dyn ChangeBus>) -> Self {
        self.ask.bus = Some(bus);
        self
    }

    /// How many calls may wait for answers at the same time, in revisions before 2026-07-28;
    /// 1024 by default. Callers without a [`Principal`](crate::Principal) are counted
    /// separately, all together, with the same bound. At the bound a question fails at once, with an
    /// error that names this setting.
    pub fn max_parked(mut self, calls: usize) -> Self {
        self.ask.max_parked = calls;
        self
    }

    /// How many of these calls one [`Principal`](crate::Principal) may have; an eighth of
    /// [`max_parked`](Self::max_parked) by default, and at least one. Beyond it a question
    /// fails at once, with an error that names this setting.
    pub fn max_parked_per_principal(mut self, calls: usize) -> Self {
        self.ask.max_parked_per_principal = Some(calls);
        self
    }

    /// How long a call waits for an answer, in revisions before 2026-07-28; 5 minutes by
    /// default. The time limit of the tool goes on meanwhile.
    pub fn answer_timeout(mut self, timeout: Duration) -> Self {
        self.ask.answer_timeout = timeout;
        self
    }
}
