//! Where an upstream is.

use std::sync::Arc;

use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::child::Program;

/// Where an upstream is.
pub(super) enum Target {
    /// A program, started for each caller.
    Stdio(Program),
    /// A URL, with the headers that go out with every request, and the names of those that
    /// are passed on.
    Http { url: Arc<str>, headers: HeaderMap, forwarded: Vec<HeaderName> },
}

impl Target {
    /// The headers of a caller that are passed on.
    pub(super) fn forwarded(&self, head: &Parts) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::Http { forwarded, .. } = self {
            for name in forwarded {
                for value in head.headers.get_all(name) {
                    let mut value = value.clone();
                    // It may tell who the caller is, which is not for logs.
                    value.set_sensitive(true);
                    headers.append(name.clone(), value);
                }
            }
        }
        headers
    }
}
