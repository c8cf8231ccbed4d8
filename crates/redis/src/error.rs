//! Errors.

use std::sync::Arc;

use redis::RedisError;

/// An error of Redis or of its configuration. The message is not for clients: it may contain host names,
/// but no passwords.
#[derive(Clone, Debug, thiserror::Error)]
#[error(transparent)]
pub struct Error(#[from] ErrorKind);

#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum ErrorKind {
    #[error("the URL of Redis is not valid: {0}")]
    Url(String),
    #[error("{0}")]
    Setting(&'static str),
    #[error("Redis is not reachable{}", because(.0.as_deref()))]
    Away(Option<Arc<str>>),
    #[error("Redis refused a command: {0}")]
    Refused(#[source] RedisError),
    #[error("Redis sent an unexpected response")]
    Nonsense,
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!(": {reason}")).unwrap_or_default()
}

impl Error {
    /// Returns whether the operation may succeed later, because Redis could not be reached.
    pub fn is_temporary(&self) -> bool {
        matches!(self.0, ErrorKind::Away(_))
    }

    pub(crate) fn url(fault: impl Into<String>) -> Self {
        ErrorKind::Url(fault.into()).into()
    }

    pub(crate) fn away(reason: Option<Arc<str>>) -> Self {
        ErrorKind::Away(reason).into()
    }
}
