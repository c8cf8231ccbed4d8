//! The settings of the bounds on what clients can make a manager hold.

use super::builder::ManagerBuilder;

impl ManagerBuilder {
    /// Sets how many bytes all bodies being read may hold together; 64 MiB by default, which is
    /// sixteen bodies of the default [`max_body_size`](Self::max_body_size). Beyond it, requests
    /// get 503 with `Retry-After`.
    ///
    /// A body counts from when it has to wait for more data until it is complete, with the bytes
    /// that have arrived; its declared length does not matter. A body that arrives in one piece, as
    /// nearly all do, does not count, so it is served even while slow bodies use up the limit. The
    /// limit is thus what clients that send large bodies slowly can make the server hold, for up to
    /// the [`read_timeout`](Self::read_timeout). Raise it if many clients send bodies of megabytes
    /// at the same time.
    pub fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.bounds.bytes_in_flight = bytes;
        self
    }

    /// Sets how many clients may listen to changes at the same time; 1024 by default. Beyond it,
    /// clients get 503 with `Retry-After`.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They share a second
    /// limit of the same size, so that they cannot lock out the callers that have one.
    pub fn max_listeners(mut self, listeners: usize) -> Self {
        self.bounds.listeners = listeners;
        self
    }

    /// Sets how many clients of one [`Principal`](crate::Principal) may listen to changes at the
    /// same time; an eighth of [`max_listeners`](Self::max_listeners) by default, and at least one.
    /// Beyond it, clients get 429 with `Retry-After`.
    pub fn max_listeners_per_principal(mut self, listeners: usize) -> Self {
        self.bounds.listeners_each = Some(listeners);
        self
    }

    /// Sets how many calls may be in flight at the same time; there is no bound by default. Beyond it,
    /// requests get 503 with `Retry-After`.
    ///
    /// All requests that run a handler or ask a registry count: calls of tools, prompts and resources,
    /// completions and lists. A call counts from when it is started until its handler has ended, or
    /// was dropped because the client left. A call that streams counts as long as its handler runs, a
    /// legacy one that waits for its client's answer counts meanwhile, and a
    /// [detached](crate::Tool::detached) one counts until its task has ended. A question of the modern
    /// era ends its call, and the answer begins another.
    ///
    /// Neither clients' answers and notifications, nor subscriptions, nor requests that the manager
    /// answers itself (such as `server/discover`) count, so they are served at the bound as well. The
    /// requests of a batch count one by one: those beyond the bound are refused within the reply, and
    /// the others run.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They share a second
    /// bound of the same size, so that they cannot lock out the callers that have one.
    ///
    /// A call whose number is bounded takes a lock twice, which all threads share, and allocates once
    /// more if it is not ready at once. Without a bound, nothing is counted.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.bounds.calls = Some(calls);
        self
    }

    /// Sets how many calls of one [`Principal`](crate::Principal) may be in flight at the same time; an
    /// eighth of [`max_calls`](Self::max_calls) by default, and at least one. Beyond it, requests get
    /// 429 with `Retry-After`, and other callers notice nothing.
    ///
    /// It can be set without `max_calls`: then the calls of all callers together are not bounded, nor
    /// those of callers without a principal.
    pub fn max_calls_per_principal(mut self, calls: usize) -> Self {
        self.bounds.calls_each = Some(calls);
        self
    }
}
