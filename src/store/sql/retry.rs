//! Repeated attempts within a time limit.

use std::time::Duration;

use tokio::time::{sleep, timeout};

use super::failure::Failure;

/// Maximum number of attempts after the first.
const MAX_RETRIES: usize = 5;

/// Longest pause between two attempts, in milliseconds.
const MAX_PAUSE: u64 = 20;

/// Pause after a read-only server answered. The address may lead there for a moment longer.
const READ_ONLY_PAUSE: Duration = Duration::from_millis(200);

/// Runs `attempt` until it succeeds, fails for good, or `limit` has passed.
pub(super) async fn with_retries<T, F>(limit: Duration, attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let attempts = timeout(limit, run_attempts(attempt));
    attempts.await.unwrap_or(Err(Failure::TimedOut(limit)))
}

/// Makes up to six attempts: the first and [`MAX_RETRIES`] more. The failure of the last one is returned.
async fn run_attempts<T, F>(attempt: impl Fn() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    for _ in 0..MAX_RETRIES {
        match attempt().await {
            Err(failure) if failure.is_read_only() => sleep(READ_ONLY_PAUSE).await,
            Err(failure) if failure.is_retryable() => pause().await,
            outcome => return outcome,
        }
    }
    attempt().await
}

/// Waits for a random time, so that calls that collided do not collide again.
pub(super) async fn pause() {
    let millis = rand::random_range(1..=MAX_PAUSE);
    sleep(Duration::from_millis(millis)).await;
}
