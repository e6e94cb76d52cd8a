//! Waiting for a condition, in place of a sleep that is too short on a slow machine.

use std::time::{Duration, Instant};

use tokio::time::{sleep, timeout};

/// Pause between two checks.
const PAUSE: Duration = Duration::from_millis(5);

/// Waits until `condition` is true and returns how long that took.
///
/// # Panics
///
/// If `condition` is not true within `limit`; the message contains `expected`.
pub(crate) async fn wait_until(
    limit: Duration,
    expected: &str,
    condition: impl AsyncFn() -> bool,
) -> Duration {
    let start = Instant::now();
    let waiting = timeout(limit, async {
        while !condition().await {
            sleep(PAUSE).await;
        }
    });
    assert!(waiting.await.is_ok(), "not within {limit:?}: {expected}");
    start.elapsed()
}
