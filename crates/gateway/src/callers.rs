//! The identification of callers, so that no caller sees the state of another in a server's session.

use std::fmt::Write as _;
use std::hash::{BuildHasher, Hasher, RandomState};

use axum::http::{HeaderMap, HeaderName};
use mcp_stateless::Principal;

/// The headers that identify clients.
const CREDENTIALS: [&str; 4] = ["authorization", "api-key", "x-api-key", "x-litellm-api-key"];

/// Identifies callers by a header that the user names, otherwise by their credentials. Callers that send
/// neither share a session with each server.
pub(crate) struct Callers {
    header: Option<HeaderName>,
    /// Random for each process, so that credentials cannot be found by their digests.
    keys: [RandomState; 2],
}

impl Callers {
    pub(crate) fn new(header: Option<HeaderName>) -> Self {
        Self { header, keys: <[RandomState; 2]>::default() }
    }

    /// Returns the caller of a request: a digest of the headers that identify it.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Principal> {
        let chosen = self.header.iter().map(HeaderName::as_str).find(|name| headers.contains_key(*name));
        let names: Vec<&str> = match chosen {
            Some(name) => vec![name],
            None => CREDENTIALS.into_iter().filter(|name| headers.contains_key(*name)).collect(),
        };
        if names.is_empty() {
            return None;
        }
        let mut digest = String::new();
        for keys in &self.keys {
            let mut hasher = keys.build_hasher();
            for name in &names {
                for value in headers.get_all(*name) {
                    // With their lengths, so that adjacent values cannot be confused.
                    for part in [name.as_bytes(), value.as_bytes()] {
                        hasher.write_usize(part.len());
                        hasher.write(part);
                    }
                }
            }
            // Writing to a `String` never fails.
            let _ = write!(digest, "{:016x}", hasher.finish());
        }
        Some(Principal::new(digest))
    }
}
