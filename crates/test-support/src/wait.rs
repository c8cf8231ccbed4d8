//! Waiting for what nothing tells of.

use std::time::{Duration, Instant};

/// Only bounds how long something that never happens can hold up the tests.
pub const LIMIT: Duration = Duration::from_secs(60);

/// Waits until `holds`.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let start = Instant::now();
    while !holds().await {
        assert!(start.elapsed() < LIMIT, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
