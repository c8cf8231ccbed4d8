//! How the session of a caller is opened, and what its pool hears of it.

use std::sync::Weak;
use std::time::Duration;

use tokio::time::timeout;

use super::UpstreamError;

use super::pool::{Key, Opened, Pool};
use super::router::{Closing, Notices};
use super::session::Opening;
use crate::changes::Change;
use crate::registry::Kind;

/// The wait after the first failure, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(100);
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// How long an upstream is left alone after so many failures.
pub(super) fn wait_after(failures: u32) -> Duration {
    let factor = 2_u32.saturating_pow(failures.saturating_sub(1));
    FIRST_WAIT.saturating_mul(factor).min(LONGEST_WAIT)
}

/// Opens the session of a caller.
pub(super) async fn open(opening: Opening, pool: Weak<Pool>, key: Key, failures: u32) -> Opened {
    let (id, limit) = (opening.id, opening.settings.open_timeout);
    let upstream = opening.settings.name.to_string();
    let ended = {
        let (pool, key) = (Weak::clone(&pool), key.clone());
        move || {
            if let Some(pool) = pool.upgrade() {
                pool.ended(&key, id);
            }
        }
    };
    let outcome = match timeout(limit, opening.open(ended)).await {
        Ok(opened) => opened.map_err(|reason| UpstreamError::Open { upstream, reason }),
        Err(_) => Err(UpstreamError::OpenTimeout { upstream, limit }),
    };
    match &outcome {
        Ok(_) => tracing::debug!(session = id, "a session with an upstream is open"),
        Err(error) => tracing::warn!(%error),
    }
    match pool.upgrade() {
        Some(pool) => pool.opened(key, &outcome, failures),
        None => {
            if let Ok(session) = &outcome {
                session.close(Closing::Now);
            }
        }
    }
    outcome.map(drop)
}

/// Passes on what a session hears of changes.
pub(super) struct Changed {
    pub(super) pool: Weak<Pool>,
    pub(super) session: u64,
}

impl Notices for Changed {
    fn changed(&self, change: Change<'_>) {
        let Some(pool) = self.pool.upgrade() else { return };
        let kinds: &[Kind] = match change {
            Change::Tools => &[Kind::Tools],
            Change::Prompts => &[Kind::Prompts],
            Change::Resources => &[Kind::Resources, Kind::Templates],
            Change::Resource(_) => &[],
        };
        pool.forget_lists(self.session, kinds);
        pool.changes.publish(change);
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{LONGEST_WAIT, wait_after};

    #[test]
    fn the_wait_doubles_up_to_its_bound() {
        assert_eq!(wait_after(1), Duration::from_millis(100));
        assert_eq!(wait_after(2), Duration::from_millis(200));
        assert_eq!(wait_after(u32::MAX), LONGEST_WAIT);
    }
}
