//! Graceful shutdown on signals.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts Ctrl-C and SIGTERM. The first signal starts the drain, the second one ends it immediately.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    signals: watch::Receiver<u32>,
    /// Maximum time of the drain.
    limit: Duration,
}

impl Shutdown {
    /// Listens for the signals of this process.
    pub(crate) fn on_signals(limit: Duration) -> io::Result<Self> {
        let (count, signals) = watch::channel(0);
        let mut received = process_signals()?;
        tokio::spawn(async move {
            while received.recv().await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { signals, limit })
    }

    /// Creates a shutdown that never starts.
    pub(crate) fn never() -> Self {
        Self { signals: watch::channel(0).1, limit: Duration::ZERO }
    }

    /// Waits for `requests`, up to the time limit of the drain.
    pub(crate) async fn drain(&self, requests: impl Future<Output = ()>) {
        if timeout(self.limit, requests).await.is_err() {
            tracing::warn!("requests in flight are cut off");
        }
    }

    /// Waits for the first signal.
    pub(crate) async fn started(self) {
        self.signals_received(1).await;
    }

    /// Waits for the second signal.
    pub(crate) async fn forced(self) {
        self.signals_received(2).await;
    }

    async fn signals_received(mut self, wanted: u32) {
        if self.signals.wait_for(|count| *count >= wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
fn process_signals() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            let _ = send.send(()).await;
        }
    });
    Ok(receive)
}

#[cfg(not(unix))]
fn process_signals() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            let _ = send.send(()).await;
        }
    });
    Ok(receive)
}
