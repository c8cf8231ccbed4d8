//! Why a request has no result, and who may see the details.

use std::borrow::Cow;

use mcp_stateless::protocol::{ErrorCode, RpcError};

/// The maximum number of characters that are shown of an upstream's text.
pub(super) const SHOWN: usize = 300;

/// Why something failed.
#[derive(Clone, Debug)]
pub(super) struct Cause {
    /// For clients: never text from the upstream, which may contain secrets.
    pub(super) words: Cow<'static, str>,
    /// Only for the log: bodies, standard error. Empty if there is none.
    pub(super) detail: String,
}

impl Cause {
    pub(super) fn new(words: impl Into<Cow<'static, str>>) -> Self {
        Self { words: words.into(), detail: String::new() }
    }

    /// Adds details for the log, shortened and without control characters.
    pub(super) fn detail(mut self, detail: impl AsRef<str>) -> Self {
        self.detail = shown(detail.as_ref());
        self
    }

    /// Returns the whole message, for the host.
    pub(super) fn full(&self) -> String {
        match &*self.detail {
            "" => self.words.clone().into_owned(),
            detail => format!("{}: {detail}", self.words),
        }
    }
}

/// Returns the beginning of foreign text, on one line and without control characters.
pub(super) fn shown(text: &str) -> String {
    let mut shown = String::new();
    for word in text.split(|it: char| it.is_whitespace() || it.is_control()).filter(|it| !it.is_empty()) {
        if !shown.is_empty() {
            shown.push(' ');
        }
        shown.extend(word.chars().take(SHOWN));
        if shown.len() >= SHOWN {
            let end = (0..=SHOWN).rev().find(|end| shown.is_char_boundary(*end)).unwrap_or_default();
            shown.truncate(end);
            shown.push('…');
            break;
        }
    }
    shown
}

/// Why a request has no result.
#[derive(Clone, Debug)]
pub(super) enum Failure {
    /// The upstream's error, or an equivalent one.
    Rpc(RpcError),
    /// The upstream does not know the session, and did not start the request.
    Forgotten,
    /// The session ended, or the answer was lost.
    Lost(Cause),
    /// The upstream could not be reached, so the request was not started.
    Unreachable(Cause),
    /// The upstream refused this request, or garbled the answer.
    Failed(Cause),
    /// The upstream cannot serve the request now.
    Busy(Cause),
}

impl Failure {
    pub(super) fn lost(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Lost(Cause::new(words))
    }

    pub(super) fn failed(words: impl Into<Cow<'static, str>>) -> Self {
        Self::Failed(Cause::new(words))
    }

    /// Returns the message for the log.
    pub(super) fn cause(&self) -> Cause {
        match self {
            Self::Rpc(error) => Cause::new("it responded with an error").detail(error.to_string()),
            Self::Forgotten => Cause::new("it forgets its sessions"),
            Self::Lost(cause) | Self::Unreachable(cause) | Self::Failed(cause) | Self::Busy(cause) => {
                cause.clone()
            }
        }
    }

    /// Whether the same request may succeed later, so that the failure says nothing about what the
    /// upstream supports.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Lost(_) | Self::Unreachable(_) | Self::Busy(_) => true,
            Self::Rpc(_) | Self::Forgotten | Self::Failed(_) => false,
        }
    }

    /// Returns the error for a client of `upstream`.
    pub(super) fn to_rpc(&self, upstream: &str) -> RpcError {
        let (what, cause) = match self {
            Self::Rpc(error) => return error.clone(),
            Self::Forgotten => return unavailable(upstream, "forgets its sessions"),
            Self::Lost(cause) => ("ended the call without an answer", cause),
            Self::Unreachable(cause) => ("is not available", cause),
            Self::Failed(cause) | Self::Busy(cause) => ("did not serve the request", cause),
        };
        unavailable(upstream, &format!("{what}: {}", cause.words))
    }
}

/// Creates an error about an upstream.
pub(super) fn unavailable(upstream: &str, what: &str) -> RpcError {
    RpcError::new(ErrorCode::INTERNAL_ERROR, format!("The upstream {upstream:?} {what}"))
}

#[cfg(test)]
mod tests {
    use super::{Cause, SHOWN, shown};

    #[test]
    fn foreign_texts_are_shown_in_one_short_line_without_control_characters() {
        assert_eq!(shown(" a\u{1b}[31m b\r\n\tc\0d "), "a [31m b c d");
        let long = shown(&"é".repeat(10_000));
        assert!(long.len() <= SHOWN + '…'.len_utf8() && long.ends_with('…'), "{long}");
        assert_eq!(Cause::new("HTTP 401").full(), "HTTP 401");
        assert_eq!(Cause::new("HTTP 401").detail("no\nkey").full(), "HTTP 401: no key");
    }
}
