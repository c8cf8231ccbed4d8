//! How long the streams that a token has opened may last.

use std::fmt;
use std::future::poll_fn;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::resource::ResourceUrl;
use super::token::{PresentedToken, VerifiedToken};
use super::verifier::{TokenErrorKind, TokenVerifier};
use crate::deadline::Deadline;

/// The longest sleep between two readings of the clock. The clock may be set, or the machine may be
/// suspended, while a timer runs.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

/// How many times in a row a verifier may be unavailable before the stream ends.
const MAX_MISSES: u32 = 3;

/// The source of the current time.
pub(super) type Clock = dyn Fn() -> SystemTime + Send + Sync;

/// Watches the token of a request whose response is a stream.
#[derive(Clone)]
pub(super) struct Lifetime {
    pub(super) clock: Arc<Clock>,
    /// Set if the token is to be verified again.
    pub(super) recheck: Option<Arc<Recheck>>,
}

impl Default for Lifetime {
    fn default() -> Self {
        Self { clock: Arc::new(SystemTime::now), recheck: None }
    }
}

/// The arguments for verifying a token again.
pub(super) struct Recheck {
    pub(super) verifier: Arc<dyn TokenVerifier>,
    pub(super) resource: ResourceUrl,
    pub(super) secret: Box<str>,
}

impl fmt::Debug for Recheck {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Recheck").finish_non_exhaustive()
    }
}

impl Lifetime {
    /// Completes when the token has expired or is found to be revoked.
    pub(super) async fn end(self, mut token: VerifiedToken) {
        let (mut misses, mut checked_at) = (0, (self.clock)());
        loop {
            let now = (self.clock)();
            if token.is_expired(now) {
                return;
            }
            if token.expiry().is_none() && (token.recheck().is_none() || self.recheck.is_none()) {
                return std::future::pending().await;
            }
            let left = token.expiry().and_then(|end| end.duration_since(now).ok());
            let mut pause = left.unwrap_or(LONGEST_SLEEP).min(LONGEST_SLEEP);
            if let (Some(interval), Some(recheck)) = (token.recheck(), &self.recheck) {
                let due = interval.saturating_sub(now.duration_since(checked_at).unwrap_or(interval));
                if due.is_zero() {
                    checked_at = now;
                    let presented =
                        PresentedToken { secret: &recheck.secret, resource: &recheck.resource, now };
                    match recheck.verifier.verify(presented).await {
                        Ok(again) if again.grants_as(&token) => (token, misses) = (again, 0),
                        Err(error) if error.kind == TokenErrorKind::Unavailable && misses < MAX_MISSES => {
                            misses += 1;
                        }
                        // The token is invalid, or grants something else than when the stream began.
                        Ok(_) | Err(_) => return,
                    }
                    continue;
                }
                pause = pause.min(due);
            }
            // A timer may fire slightly before the clock reaches the time.
            let mut pause = Deadline::new(pause.max(Duration::from_millis(1)));
            poll_fn(|cx| pause.poll(cx)).await;
        }
    }
}
