//! The signals that end the program.

use std::future::Future;
use std::io;

use crate::failure::Failure;

/// Returns a future that ends at the first SIGINT or SIGTERM. Signals are caught from the call on.
pub(crate) fn interrupted() -> Result<impl Future<Output = ()>, Failure> {
    wait().map_err(|error| Failure::failed(format!("cannot wait for signals: {error}")))
}

/// Catches SIGINT and SIGTERM from now on, and returns the wait for the first.
#[cfg(unix)]
fn wait() -> io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};

    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Returns the wait for Ctrl-C, the only signal of other systems.
#[cfg(not(unix))]
fn wait() -> io::Result<impl Future<Output = ()>> {
    Ok(async {
        let _ = tokio::signal::ctrl_c().await;
    })
}
