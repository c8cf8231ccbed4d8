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
    /// A call is any request that runs a handler or queries a registry: calls of tools, prompts and
    /// resources, completions and lists. It counts from when it starts until its handler has ended, or
    /// is dropped because the client disconnects. A streaming call counts while its handler runs, also
    /// while a legacy call waits for its client's answer. A [detached](crate::Tool::detached) call, or
    /// one that goes on as a task, counts until its work has ended. In the modern era, a question ends
    /// its call, and the answer starts another.
    ///
    /// Answers and notifications of clients, subscriptions, requests about tasks, and requests that the
    /// manager answers itself, such as `server/discover`, do not count, and are always served. Each request of a batch
    /// counts: those beyond the bound are refused within the reply, and the others run.
    ///
    /// Callers without a [`Principal`](crate::Principal) cannot be told apart. They share a second
    /// bound of the same size, so that they cannot lock out the callers that have one.
    ///
    /// With a bound, each call locks a mutex that all threads share twice, and a call that has to wait
    /// needs one more allocation. Without one, nothing is counted.
    pub fn max_calls(mut self, calls: usize) -> Self {
        self.bounds.calls = Some(calls);
        self
    }

    /// Sets how many calls of one [`Principal`](crate::Principal) may be in flight at the same time; an
    /// eighth of [`max_calls`](Self::max_calls) by default, and at least one. Beyond it, requests get
    /// 429 with `Retry-After`. Other callers are not affected.
    ///
    /// Without `max_calls`, only the calls of each principal are bounded: neither those of all callers
    /// together, nor those of callers without a principal.
    pub fn max_calls_per_principal(mut self, calls: usize) -> Self {
        self.bounds.calls_each = Some(calls);
        self
    }
}
