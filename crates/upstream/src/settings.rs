//! The settings of an upstream, fixed once built.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName, Uri};
use mcp_stateless::protocol::Era;
use tokio::io::{AsyncRead, AsyncWrite};

use super::observer::UpstreamObserver;

/// Distinguishes callers: returns the key of a caller's session.
pub(super) type Credential = dyn Fn(&Parts) -> Option<String> + Send + Sync;

/// The key of a caller's session. All callers without a key share `None`.
pub(super) type Key = Option<String>;

pub(super) struct Settings {
    pub(super) name: Arc<str>,
    pub(super) target: Target,
    /// The only era to use, if one is set.
    pub(super) era: Option<Era>,
    pub(super) credential: Box<Credential>,
    pub(super) max_sessions: usize,
    pub(super) idle_timeout: Duration,
    pub(super) open_timeout: Duration,
    pub(super) call_timeout: Option<Duration>,
    /// The JSON of the `clientInfo` that the upstream receives.
    pub(super) client_info: String,
    pub(super) observer: Option<Arc<dyn UpstreamObserver>>,
}

/// A program that is run as a child.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) command: OsString,
    pub(super) args: Vec<OsString>,
    pub(super) env: Vec<(OsString, OsString)>,
    /// The names of the variables that it inherits.
    pub(super) inherit: Vec<OsString>,
    pub(super) dir: Option<PathBuf>,
}

/// A pair of streams that the host has passed.
pub(super) type Streams = (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>);

/// The location of an upstream.
pub(super) enum Target {
    /// A program, started for each caller.
    Stdio(Program),
    /// A URL, reached over HTTP.
    Http(Endpoint),
    /// The other end of a pair of streams, until they are taken.
    Streams(Mutex<Option<Streams>>),
}

/// The HTTP endpoint of an upstream.
pub(super) struct Endpoint {
    /// The URL as the host wrote it.
    pub(super) url: String,
    pub(super) uri: Uri,
    /// The headers of every request.
    pub(super) headers: HeaderMap,
    /// The names of the caller's headers that are passed on.
    pub(super) forwarded: Vec<HeaderName>,
    /// Certificates that are trusted besides the system's, as PEM.
    pub(super) roots: Vec<Vec<u8>>,
}

impl Target {
    pub(super) fn is_http(&self) -> bool {
        matches!(self, Self::Http(_))
    }

    /// Whether all callers share the only session that there can be.
    pub(super) fn is_single(&self) -> bool {
        matches!(self, Self::Streams(_))
    }

    /// The headers of a caller that are passed on.
    pub(super) fn forwarded(&self, head: &Parts) -> HeaderMap {
        let mut headers = HeaderMap::new();
        if let Self::Http(Endpoint { forwarded, .. }) = self {
            for name in forwarded {
                for value in head.headers.get_all(name) {
                    let mut value = value.clone();
                    // The value may identify the caller, so it must not be logged.
                    value.set_sensitive(true);
                    headers.append(name.clone(), value);
                }
            }
        }
        headers
    }
}

impl Settings {
    /// The key of a caller's session, and the caller's headers that are passed on.
    pub(super) fn caller(&self, head: &Parts) -> (Key, HeaderMap) {
        if self.target.is_single() {
            return (None, HeaderMap::new());
        }
        let headers = self.target.forwarded(head);
        (session_key((self.credential)(head).as_deref(), &headers), headers)
    }
}

/// Returns the key of a caller's session. Callers with different rights must not share a session, even if
/// the host does not distinguish them. The key therefore contains the headers that grant access, and all
/// forwarded headers if there is no credential.
fn session_key(credential: Option<&str>, forwarded: &HeaderMap) -> Key {
    let is_known = credential.is_some();
    let telling = forwarded.iter().filter(|(name, _)| !is_known || [AUTHORIZATION, COOKIE].contains(name));
    let parts: Vec<_> =
        telling.map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect();
    if parts.is_empty() && !is_known {
        return None;
    }
    // The quotes of `Debug` separate the parts.
    Some(format!("{credential:?} {parts:?}"))
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;
    use http::header::{ACCEPT_LANGUAGE, AUTHORIZATION};

    use super::session_key;

    #[test]
    fn callers_with_other_rights_do_not_share_a_session() {
        let headers = |token: &str, language: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(AUTHORIZATION, token.parse().expect("a value"));
            headers.insert(ACCEPT_LANGUAGE, language.parse().expect("a value"));
            headers
        };
        let key = |user: Option<&str>, token, language| session_key(user, &headers(token, language));
        assert_eq!(key(None, "a", "en"), key(None, "a", "en"));
        assert_ne!(key(None, "a", "en"), key(None, "b", "en"));
        assert_ne!(key(None, "a", "en"), key(None, "a", "de"));
        assert_ne!(key(Some("ada"), "a", "en"), key(Some("ada"), "b", "en"));
        assert_ne!(key(Some("ada"), "a", "en"), key(Some("alan"), "a", "en"));
        assert_eq!(key(Some("ada"), "a", "en"), key(Some("ada"), "a", "de"));
        assert_eq!(session_key(None, &HeaderMap::new()), None);
    }
}
