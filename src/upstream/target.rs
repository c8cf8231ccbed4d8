//! Where an upstream is.

use std::sync::Arc;

use http::header::{AUTHORIZATION, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderName};

use super::child::Program;
use super::pool::Key;

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

/// The key of a caller's session. Whoever brings other rights than somebody else does not
/// get that one's session, even if the host does not tell them apart: so headers that grant
/// access are part of it, and where there is no credential all that are passed on.
pub(super) fn session_key(credential: Option<String>, forwarded: &HeaderMap) -> Key {
    let is_known = credential.is_some();
    let telling = forwarded.iter().filter(|(name, _)| !is_known || [AUTHORIZATION, COOKIE].contains(name));
    let parts: Vec<_> =
        telling.map(|(name, value)| format!("{name}: {}", value.as_bytes().escape_ascii())).collect();
    if parts.is_empty() {
        return credential;
    }
    // The quotes of `Debug` keep parts from running over into one another.
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
        let key = |user: Option<&str>, token, language| {
            session_key(user.map(str::to_owned), &headers(token, language))
        };
        assert_eq!(key(None, "a", "en"), key(None, "a", "en"));
        assert_ne!(key(None, "a", "en"), key(None, "b", "en"));
        assert_ne!(key(None, "a", "en"), key(None, "a", "de"));
        assert_ne!(key(Some("ada"), "a", "en"), key(Some("ada"), "b", "en"));
        assert_ne!(key(Some("ada"), "a", "en"), key(Some("alan"), "a", "en"));
        assert_eq!(key(Some("ada"), "a", "en"), key(Some("ada"), "a", "de"));
        assert_eq!(session_key(None, &HeaderMap::new()), None);
    }
}
