//! Graceful shutdown on signals.

use std::io;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

/// How far the shutdown has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    Running,
    /// Requests are served as before, and readiness checks fail: balancers can take this gateway out.
    Announced,
    /// No connection is accepted, and requests in flight finish.
    Draining,
    /// The process ends immediately.
    Forced,
}

/// The shutdown of a listener. Clones follow the same one.
#[derive(Clone, Debug)]
pub(crate) struct Shutdown {
    stage: watch::Receiver<Stage>,
    /// Maximum time of the drain.
    limit: Duration,
}

impl Shutdown {
    /// Listens for Ctrl-C and SIGTERM. The first signal announces the shutdown and, after `notice`, starts the drain. The
    /// second one ends the process.
    pub(crate) fn on_signals(notice: Duration, limit: Duration) -> io::Result<Self> {
        let (stage, shutdown) = Self::new(limit);
        let mut signals = process_signals()?;
        tokio::spawn(async move {
            if signals.recv().await.is_none() {
                return std::future::pending().await;
            }
            stage.send_replace(Stage::Announced);
            if timeout(notice, signals.recv()).await.is_err() {
                stage.send_replace(Stage::Draining);
                signals.recv().await;
            }
            stage.send_replace(Stage::Forced);
        });
        Ok(shutdown)
    }

    /// Creates a shutdown that follows what the sender sends.
    pub(crate) fn new(limit: Duration) -> (watch::Sender<Stage>, Self) {
        let (sender, stage) = watch::channel(Stage::Running);
        (sender, Self { stage, limit })
    }

    /// Returns whether the shutdown is announced.
    pub(crate) fn is_announced(&self) -> bool {
        *self.stage.borrow() >= Stage::Announced
    }

    /// Waits for `requests`, up to the time limit of the drain.
    pub(crate) async fn drain(&self, requests: impl Future<Output = ()>) {
        if timeout(self.limit, requests).await.is_err() {
            tracing::warn!("requests in flight are cut off");
        }
    }

    /// Waits for the drain.
    pub(crate) async fn started(self) {
        self.reached(Stage::Draining).await;
    }

    /// Waits for the second signal.
    pub(crate) async fn forced(self) {
        self.reached(Stage::Forced).await;
    }

    async fn reached(mut self, wanted: Stage) {
        if self.stage.wait_for(|stage| *stage >= wanted).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(unix)]
fn process_signals() -> io::Result<mpsc::Receiver<()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        loop {
            tokio::select! { _ = interrupt.recv() => {} _ = terminate.recv() => {} }
            let _ = send.send(()).await;
        }
    });
    Ok(receive)
}

#[cfg(not(unix))]
fn process_signals() -> io::Result<mpsc::Receiver<()>> {
    let (send, receive) = mpsc::channel(1);
    tokio::spawn(async move {
        while tokio::signal::ctrl_c().await.is_ok() {
            let _ = send.send(()).await;
        }
    });
    Ok(receive)
}
