//! The limits on the resources that clients can use.

use super::builder::ManagerBuilder;

impl ManagerBuilder {
    /// Sets the maximum number of bytes of all bodies that are being read; 64 MiB by default, which is
    /// sixteen bodies of the default [`max_body_size`](Self::max_body_size). When it is reached, requests
    /// get 503 with `Retry-After`.
    ///
    /// A body counts from when it has to wait for more data until it is complete. Only the bytes that have
    /// arrived count, not its declared length. A body that arrives in one piece, as nearly all do, does not
    /// count, so it is accepted even while slow bodies use up the limit. In effect, this limits the memory
    /// that clients can use by sending large bodies slowly, for up to the
    /// [`read_timeout`](Self::read_timeout). Raise it if many clients send bodies of megabytes at the same
    /// time.
    pub fn max_bytes_in_flight(mut self, bytes: usize) -> Self {
        self.bounds.bytes_in_flight = bytes;
        self
    }

    /// Sets how many clients may listen to changes at the same time; 1024 by default. When the limit is
    /// reached, further clients get 503 with `Retry-After`.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They share a second
    /// limit of the same size, so that they cannot lock out the callers that have one.
    pub fn max_listeners(mut self, listeners: usize) -> Self {
        self.bounds.listeners = listeners;
        self
    }

    /// Sets how many clients of one [`Principal`](crate::Principal) may listen to changes at the
    /// same time; an eighth of [`max_listeners`](Self::max_listeners) by default, and at least one.
    /// When the limit is reached, further clients get 429 with `Retry-After`.
    pub fn max_listeners_per_principal(mut self, listeners: usize) -> Self {
        self.bounds.listeners_each = Some(listeners);
        self
    }

    /// Sets how many calls may be in flight at the same time; there is no limit by default. When it is
    /// reached, further requests get 503 with `Retry-After`.
    ///
    /// All requests that run a handler or query a registry count: calls of tools, prompts and resources,
    /// completions and lists. A call counts from when its body has been read until its handler has ended, or
    /// is dropped because the client has disconnected. This includes the time in which a streaming call
    /// runs, and in which a legacy call waits for its client's answer. A [detached](crate::Tool::detached)
    /// call, and a call that has become a task, count until their work has ended. In the modern era, a
    /// question ends its call, and the answer starts another call.
    ///
    /// Answers and notifications of clients, subscriptions, requests about tasks, and requests that the
    /// manager answers itself, such as `server/discover`, do not count, and are always served. Each request
    /// of a batch counts: those beyond the limit are refused in the reply, and the others run.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They share a second
    /// limit of the same size, so that they cannot lock out the callers that have one.
    ///
    /// With a limit, each call locks a mutex that all threads share twice, and a call that has to wait
    /// needs one more allocation. Without a limit, nothing is counted.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.bounds.calls = Some(calls);
        self
    }

    /// Sets how many calls of one [`Principal`](crate::Principal) may be in flight at the same time; an
    /// eighth of [`max_calls`](Self::max_calls) by default, and at least one. When the limit is reached,
    /// further requests of the principal get 429 with `Retry-After`. Other callers are not affected.
    ///
    /// Without `max_calls`, there is no limit for all callers together, and none for callers without a
    /// principal.
    pub fn max_calls_per_principal(mut self, calls: usize) -> Self {
        self.bounds.calls_each = Some(calls);
        self
    }
}
