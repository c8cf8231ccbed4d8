//! The tasks of a pool, which end with it.

use std::sync::Weak;
use std::time::Duration;

use tokio::task::JoinHandle;

use super::pool::Pool;

/// A task that ends with this.
pub(super) struct Aborting(pub(super) JoinHandle<()>);

impl Drop for Aborting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Has a pool end what nobody uses, again and again.
pub(super) async fn clean(pool: Weak<Pool>, idle_timeout: Duration) {
    let often = (idle_timeout / 4).clamp(Duration::from_millis(10), Duration::from_secs(15));
    loop {
        tokio::time::sleep(often).await;
        match pool.upgrade() {
            Some(pool) => pool.sweep(),
            None => return,
        }
    }
}
