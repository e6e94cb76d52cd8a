//! The threads that serve requests, each with a runtime and connections of its own.

use std::io;
use std::thread;

use tokio::runtime::{Builder, Handle};
use tokio::sync::{mpsc, oneshot};

use crate::serve::Accepted;

/// A thread that serves the connections it is sent.
#[derive(Debug)]
pub(crate) struct Worker {
    /// Once this is dropped, it serves what it has to the end.
    pub(crate) connections: mpsc::UnboundedSender<Accepted>,
    pub(crate) runtime: Handle,
    /// Told when it is done.
    pub(crate) ended: oneshot::Receiver<()>,
}

impl Worker {
    /// Starts a thread that does `work` until that ends: once no more connections come, and those that came are done.
    pub(crate) fn start<W, F>(work: W) -> io::Result<Self>
    where
        W: FnOnce(mpsc::UnboundedReceiver<Accepted>) -> F + Send + 'static,
        F: Future<Output = ()>,
    {
        let (connections, incoming) = mpsc::unbounded_channel();
        let (end, ended) = oneshot::channel();
        // No request moves from one thread to another, and nothing that it touches is shared.
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let handle = runtime.handle().clone();
        thread::Builder::new().name("worker".into()).spawn(move || {
            runtime.block_on(work(incoming));
            let _ = end.send(());
        })?;
        Ok(Self { connections, runtime: handle, ended })
    }
}
