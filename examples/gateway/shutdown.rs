//! The end, asked for by a signal.

use std::io;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::timeout;

/// Counts Ctrl-C and SIGTERM: the first begins the drain, a second ends it at once.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    signals: watch::Receiver<u32>,
    /// How long the drain may take.
    limit: Duration,
}

impl Shutdown {
    pub(crate) fn on_signals(limit: Duration) -> io::Result<Self> {
        let (count, signals) = watch::channel(0);
        let mut signal = signals_of_this_process()?;
        tokio::spawn(async move {
            while signal.recv().await.is_some() {
                count.send_modify(|count| *count += 1);
            }
        });
        Ok(Self { signals, limit })
    }

    /// Never, for what lives as long as the process.
    pub(crate) fn never() -> Self {
        Self { signals: watch::channel(0).1, limit: Duration::ZERO }
    }

    /// Waits for what is to end, for as long as it may take.
    pub(crate) async fn drain(&self, ending: impl Future<Output = ()>) {
        if timeout(self.limit, ending).await.is_err() {
            tracing::warn!("requests in flight are cut off");
        }
    }

    /// Waits for the first signal.
    pub(crate) async fn begun(self) {
        self.counted(1).await;
    }

    /// Waits for the second.
    pub(crate) async fn pressed(self) {
        self.counted(2).await;
    }

    async fn counted(mut self, wanted: u32) {
        if self.signals.wait_for(|count| *count >= wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
fn signals_of_this_process() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let (mut interrupt, mut terminate) = (signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?);
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
fn signals_of_this_process() -> io::Result<tokio::sync::mpsc::Receiver<()>> {
    let (send, receive) = tokio::sync::mpsc::channel(1);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            let _ = send.send(()).await;
        }
    });
    Ok(receive)
}
