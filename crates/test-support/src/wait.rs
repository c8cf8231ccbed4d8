//! Polls for a condition that no event announces.

use std::time::{Duration, Instant};

/// Only bounds how long a condition that never holds can hold up the tests.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `holds`.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
